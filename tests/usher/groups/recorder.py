"""A stand-in for Web PubSub that records its calls and fails as it is set up to."""

import json
from collections import defaultdict

from tests.messages.description import find_problem
from usher.errors import ServiceError, UnknownConnectionError
from usher.groups.announcements import Body
from usher.service.tokens import ClientToken, TokenRequest

REFUSED = ServiceError("refused", reached=False)
UNKNOWN = UnknownConnectionError("answered 404", answered=404)


def answered(status: int, retry_after: float | None = None) -> ServiceError:
    """Return the error of a call that the service answered with this status."""
    return ServiceError(f"answered {status}", answered=status, retry_after=retry_after)


class Recorder:
    """A Minter and a PubSub. `failures` has the errors of token, add and send, in order."""

    def __init__(self, **failures: list[ServiceError]) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.failures = defaultdict(list, failures)
        self.url = "wss://demo?access_token=x"
        self.token_request: TokenRequest | None = None
        self.user_id: str | None = None  # of the last add_connection
        self.content_type = ""  # of the last send_to_group

    async def generate_token(self, request: TokenRequest) -> ClientToken:
        self.token_request = request
        self._fail("token")
        return ClientToken(self.url, "wss://demo", "x", 0)

    async def add_connection(
        self, group: str, connection_id: str, user_id: str | None = None
    ) -> int:
        self.user_id = user_id
        self.calls.append(("add", group, connection_id))
        self._fail("add")
        return 200

    async def send_to_group(self, group: str, body: Body, content_type: str) -> int:
        self.content_type = content_type
        text = body.decode() if isinstance(body, bytes) else json.dumps(body)
        assert find_problem("group", content_type, text) is None, text
        self.calls.append(("send", group, text))
        self._fail("send")
        return 202

    def _fail(self, call: str) -> None:
        if self.failures[call]:
            raise self.failures[call].pop(0)

    def count(self, call: str) -> int:
        return len([made for made in self.calls if made[0] == call])

    @property
    def messages(self) -> list[str]:
        """The body of each message, as text."""
        return [body for call, _, body in self.calls if call == "send"]
