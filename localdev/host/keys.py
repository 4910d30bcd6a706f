"""The access keys of a function app: which one a request shows, and what it opens.

Sources: azure-functions-host AuthenticationLevelHandler.cs, AuthUtility.cs and
AuthorizationOptionsExtensions.cs.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from localdev.host.bindings import Headers

HEADER = "x-functions-key"
PARAMETER = "code"


@dataclass(frozen=True)
class Keys:
    """The keys of one app, under the names of Azure; ``master`` is ``_master`` there.

    ``function`` is the host key ``default``, which is good for every function.
    """

    master: str = field(repr=False)
    function: str = field(repr=False)
    webpubsub_extension: str = field(repr=False)

    def opens_function(self, level: str | None, shown: str) -> bool:
        """Tell whether the shown key is enough for an HTTP trigger with that ``authLevel``.

        The level ignores case; None means ``function``. What is no known level needs master.
        """
        level = (level or "function").lower()
        if level == "anonymous":
            return True
        keys = (self.master, self.function) if level == "function" else (self.master,)
        return _is_one_of(shown, keys)

    def opens_webhook(self, extension: str, shown: str) -> bool:
        """Tell whether the shown key opens that extension's webhook; the name ignores case.

        Its system key does, or the master key. Those of functions do not.
        """
        has_key = extension.lower() == "webpubsub"
        keys = (self.master, self.webpubsub_extension) if has_key else (self.master,)
        return _is_one_of(shown, keys)


def make_keys() -> Keys:
    """Return new random keys: 40 bytes each, as in Azure, in letters that URLs leave alone."""
    return Keys(*(secrets.token_urlsafe(40) for _ in range(3)))


def read_key(headers: Headers, query_string: str) -> str:
    """Return the key that a request shows, empty if none. The header wins, even an empty one."""
    in_header = [value for name, value in headers if name.lower() == HEADER]
    query = parse_qsl(query_string, keep_blank_values=True)
    in_query = [value for name, value in query if name.lower() == PARAMETER]
    return next(iter(in_header or in_query), "")


def _is_one_of(shown: str, keys: tuple[str, ...]) -> bool:
    # Constant time. A header may hold what is no text in UTF-8; that is no key either.
    shown_bytes = shown.encode(errors="replace")
    return any(hmac.compare_digest(shown_bytes, key.encode()) for key in keys)
