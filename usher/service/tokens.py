"""A client access token: what is asked for, and what comes back."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TokenRequest:
    """What a client access token shall say. `minutes` is its lifetime; it may name no user."""

    user_id: str | None
    groups: Sequence[str]
    roles: Sequence[str]
    minutes: int


@dataclass(frozen=True, repr=False)
class ClientToken:
    """A client access token. `url` has it in its query, `base_url` has not.

    `expires_at` is in seconds since 1970, UTC, by this machine's clock. No `repr`, because this
    opens a connection.
    """

    url: str
    base_url: str
    token: str
    expires_at: int
