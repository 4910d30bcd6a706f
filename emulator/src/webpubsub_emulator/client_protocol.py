"""What differs between kinds of clients: the interface that each module protocol_*.py implements.

The table of protocols is in subprotocols.py.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol, TypeAlias

from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.client_requests import ClientRequest
from webpubsub_emulator.client_responses import ClientResponse
from webpubsub_emulator.messages import Frame
from webpubsub_emulator.outgoing import OutgoingMessage
from webpubsub_emulator.unacknowledged import UnacknowledgedMessages

Failure: TypeAlias = Literal["Forbidden", "Duplicate", "InternalServerError"]


class ClosingCode(NamedTuple):
    """A close code and a close reason (RFC 6455, section 7.4)."""

    code: int
    reason: str


class ClientProtocol(Protocol):
    """Reads the frames of a client and makes the frames for it.

    A method returns None if the protocol has no such frame. Implementations have no state.
    """

    @property
    def encode(self) -> Callable[[OutgoingMessage], Frame]:
        """The function that makes a message's frame. A message caches the frame by it."""

    @property
    def closes_on(self) -> Mapping[Failure, ClosingCode]:
        """The failures that close the connection instead of being reported in a frame."""

    def read(self, frame: Frame, mode: PublishMode | None) -> ClientRequest:
        """Return what the client asks for. Raises FrameError if the frame is not allowed."""

    def connected(
        self, connection_id: str, user_id: str | None, reconnection_token: str
    ) -> Frame | None:
        """Return the first frame of a connection."""

    def disconnected(self, message: str) -> Frame | None:
        """Return the last frame of a connection that the app closes."""

    def pong(self) -> Frame | None:
        """Return the answer to a ping."""

    def ack(self, ack_id: int | None) -> Frame | None:
        """Return the answer to a request that succeeded."""

    def failure(self, ack_id: int | None, failure: Failure, message: str) -> Frame | None:
        """Return the answer to a request that failed."""

    def respond(self, response: ClientResponse) -> Frame | None:
        """Return the answer to a request that has no ack id."""

    def new_unacknowledged(self) -> UnacknowledgedMessages | None:
        """Return an empty store for recovery, or None if such clients cannot recover."""
