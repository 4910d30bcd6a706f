"""Callers, and the credentials in their requests."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

# Return the claims of a bearer token; raise UnauthorizedError for an invalid one.
type VerifyToken = Callable[[str], Awaitable[Mapping[str, Any]]]


NO_CLAIMS: Mapping[str, frozenset[str]] = MappingProxyType({})


class Caller(NamedTuple):
    """A caller with a known user id and the claims that were verified with it.

    A claim has one or several values; values that are no text are left out.
    """

    user_id: str
    claims: Mapping[str, frozenset[str]] = NO_CLAIMS


class Credentials(NamedTuple):
    """The headers of a request, with names in lower case, and the user id that it asks for."""

    headers: Mapping[str, str]
    user_id: str | None
