"""Who is calling, by authentication mode. The mode is `USHER_AUTH`; without one nobody gets in."""

import secrets
from dataclasses import dataclass

from usher.errors import BadRequestError, NotReadyError
from usher.settings import AUTH, Settings


@dataclass(frozen=True)
class Caller:
    """Somebody whose user id is settled."""

    user_id: str


def identify_caller(settings: Settings, named_user_id: str | None) -> Caller:
    """`named_user_id` is what the request says. Raises NotReadyError where no mode is set."""
    if settings.auth is None:
        raise NotReadyError(f"No way to tell who is calling is set up: {AUTH} is not set.")
    return _trust_request(named_user_id)


def _trust_request(named_user_id: str | None) -> Caller:
    """Mode `local`: whoever the request says, or a guest, because announcements need a name."""
    if named_user_id is None:
        return Caller(f"guest-{secrets.token_hex(4)}")
    if not named_user_id.strip() or not named_user_id.isprintable():
        raise BadRequestError(
            "userId must not be blank and must have printable characters only.", field="userId"
        )
    return Caller(named_user_id)
