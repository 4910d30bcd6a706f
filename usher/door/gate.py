"""The gate: identifies the caller of a request, within the rate limits."""

from collections.abc import Mapping
from dataclasses import dataclass

from usher.door.callers import Caller, Credentials, VerifyToken
from usher.door.limits import Limits
from usher.door.modes import Mode


@dataclass(frozen=True, slots=True)
class Gate:
    """Identify callers by the authentication mode."""

    mode: Mode
    limits: Limits
    verify: VerifyToken

    async def identify(self, headers: Mapping[str, str], user_id: str | None) -> Caller:
        """Return the caller of a request that asks for this user id, or for none.

        Raises TooManyError, and the errors of `Mode.identify`.
        """
        self.limits.check_address(headers)  # first, because it costs next to nothing
        caller = await self.mode.identify(Credentials(headers, user_id), self.verify)
        self.limits.check_caller(caller.user_id)
        return caller
