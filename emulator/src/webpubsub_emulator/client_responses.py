"""What the service answers to requests without an ack id, in any protocol: frozen dataclasses."""

from dataclasses import dataclass
from typing import TypeAlias

from webpubsub_emulator.messages import ErrorDetail, Payload


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The app handled an invocation, with data or without."""

    invocation_id: str
    payload: Payload | None


@dataclass(frozen=True, slots=True)
class InvocationError:
    """An invocation failed."""

    invocation_id: str
    error: ErrorDetail


@dataclass(frozen=True, slots=True)
class StreamAck:
    """All fragments below this sequence id were accepted."""

    stream_id: str
    expected: int


@dataclass(frozen=True, slots=True)
class StreamNack:
    """A fragment was not accepted. The stream goes on at the expected sequence id."""

    stream_id: str
    expected: int
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """The stream is closed: without an error if its client ended it, or for another reason."""

    stream_id: str
    error: ErrorDetail | None = None


ClientResponse: TypeAlias = (
    InvocationResult | InvocationError | StreamAck | StreamNack | StreamClosed
)
