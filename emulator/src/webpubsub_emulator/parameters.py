"""The query parameters of REST operations. They are checked before the token."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from multidict import MultiMapping

from webpubsub_emulator.filters import Filter, FilterError, parse_filter
from webpubsub_emulator.messages import TTL_MAX_SECONDS
from webpubsub_emulator.names import is_group_name
from webpubsub_emulator.paging import TOKEN_LIMIT
from webpubsub_emulator.problems import bad_request, not_implemented

PAGE_LIMIT = 200
DEFAULT_MINUTES = 60
INT32_MAX = 2**31 - 1

Query: TypeAlias = MultiMapping[str]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a call. Those that its operation does not have keep their defaults.

    If a parameter for one value is repeated, the first value counts.
    """

    excluded: frozenset[str] = frozenset()
    where: Filter | None = None
    reason: str = ""
    user_id: str | None = None
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    minutes_to_expire: int = DEFAULT_MINUTES
    page_size: int = PAGE_LIMIT
    top: int | None = None
    continuation_token: str | None = None
    target_name: str = ""
    ttl_seconds: int = 0


def read_filter(text: str | None, target: str) -> Filter | None:
    """Return the filter, or None without a text. Raises 400 for `target`."""
    with naming_filter(target):
        return parse_filter(text) if text else None


@contextmanager
def naming_filter(target: str) -> Iterator[None]:
    """Turn a FilterError into 400 with the name of the parameter."""
    try:
        yield
    except FilterError as error:
        raise bad_request(str(error), target) from None


# One function for each set of parameters (REST specification 2024-12-01). Parameters that the
# operation does not have are ignored, whatever their values. Each raises 400 for a wrong value.
# Differs from Azure: a parameter also works in api-versions that are older than the parameter.


def read_nothing(_query: Query) -> Parameters:
    return Parameters()


def read_close(query: Query) -> Parameters:
    return Parameters(excluded=_excluded(query), reason=query.get("reason", ""))


def read_close_connection(query: Query) -> Parameters:
    return Parameters(reason=query.get("reason", ""))


def read_send(query: Query) -> Parameters:
    ttl_seconds = _ttl_seconds(query)
    where = read_filter(query.get("filter"), "filter")
    return Parameters(excluded=_excluded(query), where=where, ttl_seconds=ttl_seconds)


def read_send_to_user(query: Query) -> Parameters:
    ttl_seconds = _ttl_seconds(query)
    where = read_filter(query.get("filter"), "filter")
    return Parameters(where=where, ttl_seconds=ttl_seconds)


def read_send_to_connection(query: Query) -> Parameters:
    return Parameters(ttl_seconds=_ttl_seconds(query))


def read_token(query: Query) -> Parameters:
    minutes = _integer(query, "minutesToExpire", 1, INT32_MAX)
    groups = tuple(query.getall("group", []))
    if not all(is_group_name(group) for group in groups):
        raise bad_request("The group name is invalid.", "group")
    _check_client_type(query.get("clientType", "Default"))
    return Parameters(
        user_id=query.get("userId"),
        roles=tuple(query.getall("role", [])),
        groups=groups,
        minutes_to_expire=minutes or DEFAULT_MINUTES,
    )


def read_list(query: Query) -> Parameters:
    token = query.get("continuationToken")
    if token is not None and not 1 <= len(token) <= TOKEN_LIMIT:
        raise bad_request("The continuation token is invalid.", "continuationToken")
    return Parameters(
        page_size=_integer(query, "maxpagesize", 1, PAGE_LIMIT) or PAGE_LIMIT,
        top=_integer(query, "top", 1, INT32_MAX),
        continuation_token=token,
    )


def read_permission(query: Query) -> Parameters:
    # The specification says that it is optional, but without it there is nothing to grant.
    target = query.get("targetName", "")
    if not is_group_name(target):
        raise bad_request("The target name must be the name of a group.", "targetName")
    return Parameters(target_name=target)


def _excluded(query: Query) -> frozenset[str]:
    # One id for each parameter, because a comma is part of an id.
    return frozenset(query.getall("excluded", []))


def _ttl_seconds(query: Query) -> int:
    return _integer(query, "messageTtlSeconds", 0, TTL_MAX_SECONDS) or 0


def _check_client_type(client_type: str) -> None:
    # Differs from Azure: the emulator has no clients of these types.
    if client_type.lower() in ("mqtt", "socketio"):
        raise not_implemented(f"The client type {client_type}")
    if client_type.lower() != "default":
        raise bad_request("The client type is unknown.", "clientType")


def _integer(query: Query, name: str, least: int, most: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise bad_request(f"{name} must be an integer from {least} to {most}.", name)
    return int(text)
