"""`negotiate`: what a request asks for, and the client access token that answers it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from usher import fields
from usher.door.callers import Caller
from usher.door.modes import Mode
from usher.door.policy import Policy
from usher.errors import MethodError
from usher.logs import log_record, note
from usher.service.tokens import Minter, TokenRequest, generate_token
from usher.settings import Settings
from usher.store.bans import Bans

FIELDS = ("userId", "group", "minutesToExpire", "hub")


class NegotiateRequest(NamedTuple):
    """What the caller asks for, not yet granted. `minutes` is within the limit."""

    user_id: str | None
    groups: tuple[str, ...]
    minutes: int


def check_method(method: str, mode: Mode) -> None:
    """Raise MethodError for a method that the mode does not allow."""
    if method != "POST" and not mode.allows_get:
        raise MethodError("Use POST to ask for a token.")


def read_request(url: str, body: bytes, settings: Settings) -> NegotiateRequest:
    """Read the query and the JSON body. Raises BadRequestError, TooLargeError, TooLongError."""
    values = fields.read_query(url)
    for key, value in fields.read_body(body, FIELDS).items():
        values[key] += value if key == "group" and isinstance(value, list) else [value]
    user_id = fields.read_single_text(values, "userId")
    fields.check_hub(fields.read_single(values, "hub"), settings)
    minutes = fields.read_single(values, "minutesToExpire")
    return NegotiateRequest(
        user_id=user_id,
        groups=tuple(fields.read_text(group, "group") for group in values["group"]),
        minutes=fields.read_minutes(minutes, settings.token_minutes),
    )


async def negotiate(
    request: NegotiateRequest, caller: Caller, policy: Policy, bans: Bans, minter: Minter
) -> Mapping[str, Any]:
    """Issue a client access token for the groups and roles that the policy grants.

    Raises BadRequestError, ForbiddenError, RemovedError, TooLargeError, StoreError, ServiceError.
    """
    note("groups", request.groups)
    groups, roles = policy.grant(caller, request.groups)
    await bans.check(caller.user_id, groups)
    wanted = TokenRequest(caller.user_id, groups, roles, request.minutes)
    token = await generate_token(minter, wanted)
    log_record("negotiate", userId=caller.user_id, groups=groups, minutes=request.minutes)
    return {
        "url": token.url,
        "baseUrl": token.base_url,
        "token": token.token,
        "hub": policy.settings.hub,
        "userId": caller.user_id,
        "groups": groups,
        "roles": roles,
        "expiresAt": datetime.fromtimestamp(token.expires_at, UTC).isoformat(),
    }
