"""The gate: identifies the caller of a request, within the rate limits."""

from collections.abc import Mapping

from usher.door.callers import Caller, Credentials, VerifyToken
from usher.door.limits import Limits, client_address
from usher.door.modes import Mode
from usher.logs import note, pseudonym


class Gate:
    """Identifies callers by the authentication mode."""

    def __init__(self, mode: Mode, limits: Limits, verify: VerifyToken) -> None:
        self.mode, self.limits, self.verify = mode, limits, verify

    async def identify(self, headers: Mapping[str, str], user_id: str | None) -> Caller:
        """Return the caller of a request that asks for this user id, or for none.

        Raises TooManyError, and the errors of `Mode.identify`.
        """
        note(address=pseudonym(client_address(headers) or ""))
        self.limits.check_address(headers)  # first, because it costs next to nothing
        caller = await self.mode.identify(Credentials(headers, user_id), self.verify)
        note(userId=caller.user_id)
        self.limits.check_caller(caller.user_id)
        return caller
