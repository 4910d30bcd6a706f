"""Client access tokens. `generate_token` is step 1 of the workflow."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from usher.errors import TooLargeError

# Browsers, proxies and front ends accept a URL of this length; in characters.
LONGEST_CLIENT_URL = 4096


class TokenRequest(NamedTuple):
    """What a client access token is for. `minutes` is its lifetime; a token may have no user.

    `visit` travels with the token to `connect`: inside of it, or in the client URL.
    """

    user_id: str | None
    groups: Sequence[str]
    roles: Sequence[str]
    minutes: int
    visit: str | None = None


class ClientToken(NamedTuple):
    """A client access token. `url` has the token in its query, `base_url` is without it.

    `expires_at` is in seconds since 1970, UTC, by this machine's clock.
    """

    url: str
    base_url: str
    token: str
    expires_at: int

    def __repr__(self) -> str:
        return "ClientToken(...)"  # the token opens a connection


class Minter(Protocol):
    """Makes client access tokens."""

    async def generate_token(self, request: TokenRequest) -> ClientToken:
        """Return a token. Raises ServiceError if the service had to be asked, and failed."""


async def generate_token(minter: Minter, request: TokenRequest) -> ClientToken:
    """Return a token whose URL is not too long. Raises TooLargeError, ServiceError."""
    token = await minter.generate_token(request)
    if len(token.url) > LONGEST_CLIENT_URL:
        is_long_user_id = len(request.user_id or "") > sum(map(len, request.groups))
        raise TooLargeError(
            f"The client URL would have {len(token.url)} characters; {LONGEST_CLIENT_URL} are "
            f"allowed. Ask for {'a shorter userId' if is_long_user_id else 'fewer groups'}.",
            field="userId" if is_long_user_id else "group",
        )
    return token
