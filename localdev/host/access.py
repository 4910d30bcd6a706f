"""Which services may call the webhook: connections from settings, origins and signatures.

A connection is the host of a Web PubSub endpoint and, unless it uses an identity, an access key.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from localdev.host.errors import StartError
from localdev.host.settings import find_setting

DEFAULT_CONNECTION = "WebPubSubConnectionString"


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """A service that may call. Without a key, its signatures are not checked."""

    host: str
    access_key: str | None = field(default=None, repr=False)


def read_accesses(names: Sequence[str], environ: Mapping[str, str]) -> tuple[ServiceAccess, ...]:
    """Return the connections that guard a function: the named ones, else the default.

    An empty result means that nothing is checked. A name that has no setting, and a connection
    string that the extension cannot read, raise StartError; an empty one counts as none.
    Source: Microsoft.Azure.WebJobs.Extensions.WebPubSub WebPubSubServiceAccessUtil.cs.
    """
    if not names:
        default = _read_access(DEFAULT_CONNECTION, environ)
        return (default,) if default else ()
    accesses = []
    for name in names:
        if access := _read_access(name, environ):
            accesses.append(access)
        elif find_setting(environ, name) is None:
            raise StartError(f"the connection '{name}' has no app setting")
    return tuple(accesses)


def is_allowed_origin(accesses: Sequence[ServiceAccess], origins: Sequence[str]) -> bool:
    """Return whether one of these hosts may call; without any connection, every host may.

    Source: Microsoft.Azure.WebJobs.Extensions.WebPubSub RequestValidator.cs.
    """
    return not accesses or any(access.host in origins for access in accesses)


def is_valid_signature(
    accesses: Sequence[ServiceAccess], origin: str, signature: str | None, connection_id: str
) -> bool:
    """Return whether the first known origin has signed the connection id.

    Only the id is signed, with the text of the key: no body, no time (RequestValidator.cs).
    """
    if not accesses:
        return True
    access = _first_known(accesses, split_list(origin))
    if access is None:
        return False
    if access.access_key is None:
        return True
    digest = hmac.new(access.access_key.encode(), connection_id.encode(), hashlib.sha256)
    expected = f"sha256={digest.hexdigest()}"
    return any(
        hmac.compare_digest(candidate.lower().encode(), expected.encode())
        for candidate in split_list(signature or "")
    )


def split_list(text: str) -> list[str]:
    """Split a header's value on commas and spaces."""
    return [part for part in re.split("[, ]", text) if part]


def _first_known(accesses: Sequence[ServiceAccess], origins: list[str]) -> ServiceAccess | None:
    # Differs from Azure: of two connections to one host the first counts. It is not known what the
    # released extension does; a copy of RequestValidator.cs rejects them at start.
    known = {access.host: access for access in reversed(accesses)}
    return next((known[origin] for origin in origins if origin in known), None)


def _read_access(name: str, environ: Mapping[str, str]) -> ServiceAccess | None:
    if text := find_setting(environ, name):
        return _parse_connection_string(name, text)
    if service_uri := find_setting(environ, f"{name}__serviceUri"):
        return ServiceAccess(_host_of(service_uri, name))
    return None


def _parse_connection_string(name: str, text: str) -> ServiceAccess:
    parts: dict[str, str] = {}
    for part in text.split(";"):
        key, equals, value = part.partition("=")
        if not equals:
            continue
        if key.strip().lower() in parts:
            raise StartError(f"the connection '{name}' names a property twice")
        parts[key.strip().lower()] = value.strip()
    if "endpoint" not in parts:
        raise StartError(f"the connection '{name}' has no Endpoint")
    if not _is_port(parts.get("port", "1")):
        raise StartError(f"the connection '{name}' has an invalid Port")
    return ServiceAccess(_host_of(parts["endpoint"], name), parts.get("accesskey"))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) <= 65535


def _host_of(endpoint: str, name: str) -> str:
    try:
        host = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}").hostname
    except ValueError:
        host = None
    if not host:
        raise StartError(f"the connection '{name}' has an endpoint that is not a URL")
    return host
