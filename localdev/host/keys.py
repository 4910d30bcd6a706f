"""The access keys of a function app: the key of a request, and what it gives access to.

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


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one app, under the names of Azure; ``master`` is ``_master`` there.

    ``function`` is the host key ``default``, which is valid for every function.
    """

    master: str = field(repr=False)
    function: str = field(repr=False)
    webpubsub_extension: str = field(repr=False)

    def opens_function(self, level: str | None, shown: str) -> bool:
        """Return whether the key is valid for an HTTP trigger with that ``authLevel``.

        The level is case-insensitive; None means ``function``. Unknown levels need the master key.
        """
        level = (level or "function").lower()
        if level == "anonymous":
            return True
        keys = (self.master, self.function) if level == "function" else (self.master,)
        return _is_one_of(shown, keys)

    def check_webhook(self, extension: str, shown: str) -> int | None:
        """Return the status of a denial, or None if the key is valid for that extension's webhook.

        401 without a valid key; 403 with a key that is valid elsewhere, such as a function key.
        The extension's name is case-insensitive.
        """
        keys = {"webpubsub": (self.master, self.webpubsub_extension)}
        if _is_one_of(shown, keys.get(extension.lower(), (self.master,))):
            return None
        return 403 if _is_one_of(shown, (self.function, self.webpubsub_extension)) else 401

    def opens_admin(self, shown: str) -> bool:
        """Return whether the key is valid for the addresses below ``/admin/``."""
        return _is_one_of(shown, (self.master,))


def make_keys() -> Keys:
    """Return new random keys: 40 bytes each, as in Azure, without characters that URLs escape."""
    return Keys(*(secrets.token_urlsafe(40) for _ in range(3)))


def read_key(headers: Headers, query_string: str) -> str:
    """Return the key of a request, or an empty text. The header wins, even if it is empty."""
    in_header = [value for name, value in headers if name.lower() == HEADER]
    query = parse_qsl(query_string, keep_blank_values=True)
    in_query = [value for name, value in query if name.lower() == PARAMETER]
    return next(iter(in_header or in_query), "")


def _is_one_of(shown: str, keys: tuple[str, ...]) -> bool:
    # Constant time. A header may contain bytes that are not UTF-8; such a key is wrong.
    shown_bytes = shown.encode(errors="replace")
    return any(hmac.compare_digest(shown_bytes, key.encode()) for key in keys)
