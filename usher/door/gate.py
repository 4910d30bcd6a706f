"""The gate: identifies the caller of a request, within the rate limits."""

from collections.abc import Mapping

from usher.door.callers import Caller, Credentials, VerifyToken
from usher.door.limits import UNKNOWN, Limits, client_networks
from usher.door.modes import Mode
from usher.errors import UsherError
from usher.logs import note, pseudonym


class Gate:
    """Identifies callers by the authentication mode."""

    def __init__(self, mode: Mode, limits: Limits, verify: VerifyToken) -> None:
        self.mode, self.limits, self.verify = mode, limits, verify

    async def identify(self, headers: Mapping[str, str], user_id: str | None) -> Caller:
        """Return the caller of a request that asks for this user id, or for none.

        Raises BadRequestError, TooManyError, and the errors of `Mode.identify`.
        """
        note("address", lambda: pseudonym((client_networks(headers) or [UNKNOWN])[0]))
        try:
            caller = await self.mode.identify(Credentials(headers, user_id), self.verify)
        except UsherError as error:
            if error.status < 500:
                self.limits.check_failure(headers)
            raise
        note("userId", caller.user_id)
        # First, so that a caller who exceeds its limit uses up no calls of its address.
        self.limits.check_caller(caller.user_id)
        self.limits.check_address(headers)
        return caller
