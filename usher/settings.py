"""The settings, parsed once into a frozen dataclass. Nothing else reads the environment."""

import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from usher.errors import SettingsError

# The rule of the data plane's `hub` parameter (azure-rest-api-specs, WebPubSub 2024-12-01).
HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")
LONGEST_GROUP_NAME = 1024  # characters; same source
GROUP_RULE = f"have 1 to {LONGEST_GROUP_NAME} characters, no slash, and not be blank, . or .."

# Each of these is set on one of the plans a function app can run on: App Service; Linux
# consumption and Flex; Flex (azure-functions-host, environment helpers).
AZURE_MARKERS = (
    "WEBSITE_INSTANCE_ID",
    "CONTAINER_NAME",
    "WEBSITE_POD_NAME",
    "LEGION_SERVICE_HOST",
)
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
CONNECTION = "WebPubSubConnectionString"
SERVICE_URI = f"{CONNECTION}__serviceUri"
HUB = "WebPubSubHub"
AUTH = "USHER_AUTH"
ANNOUNCEMENT_FORMATS = ("text", "json")
AUTH_MODES = ("easyauth", "oidc", "key", "anonymous", "local")
OIDC_ISSUER = "USHER_OIDC_ISSUER"
OIDC_AUDIENCE = "USHER_OIDC_AUDIENCE"


def is_group_name(name: str) -> bool:
    """1 to 1,024 characters, not all blank (azure-rest-api-specs, WebPubSub: `group`).

    Stricter than the service: a group with a slash can be in a token, but no REST call reaches it
    (Web PubSub data plane REST reference), and `.` and `..` would lead a call to another path.
    """
    is_reachable = "/" not in name and name not in (".", "..")
    return 0 < len(name) <= LONGEST_GROUP_NAME and not name.isspace() and is_reachable


def is_user_id(text: str) -> bool:
    """Not blank, and printable: whoever is announced by it cannot write lines of his or her own."""
    return bool(text.strip()) and text.isprintable()


@dataclass(frozen=True)
class Connection:
    """How to reach the service: with a key or, where there is none, with an identity.

    `managed_identity` says that the platform gives the app one; elsewhere the developer's login
    is used. `client_id` picks a user-assigned identity.
    """

    endpoint: str
    access_key: str | None = field(default=None, repr=False)
    client_id: str | None = None
    managed_identity: bool = False

    @property
    def host(self) -> str:
        """The host name, lower case and without the port: what `WebHook-Request-Origin` names."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """True where the service is a stand-in on this machine."""
        return self.host in LOOPBACK_HOSTS


@dataclass(frozen=True)
class Settings:
    """Every setting of the app. `token_minutes` is the default lifetime and the longest one.

    `platform_auth` says that App Service Authentication is on, `user_claim` which claim is the
    user id where the mode's usual one is not meant. `allowed_origins` are where the pages come
    from that may open a connection. `policy_file` is relative to the app's own folder. The two
    limits are calls a minute on one instance; 0 is none. `demo` says that the demo page is served.
    """

    connection: Connection
    hub: str
    auth: str | None = None
    oidc_issuer: str = ""
    oidc_audience: str = ""
    user_claim: str | None = None
    platform_auth: bool = False
    allowed_origins: frozenset[str] = frozenset()
    policy_file: str = "policy.json"
    caller_limit: int = 60
    address_limit: int = 600
    default_group: str = "lobby"
    single_group: bool = False
    token_minutes: int = 60
    digest_above: int = 5
    digest_seconds: float = 1.0
    join_text: str = "{userId} joined {group}"
    leave_text: str = "{userId} left {group}"
    announcement_format: str = "text"
    demo: bool = False

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises SettingsError, which names every wrong key and repeats no value."""
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, key, parse in _parsers(environ):
            try:
                values[name] = parse(environ.get(key, ""))
            except ValueError as error:
                problems[key] = str(error)
        if problems:
            raise SettingsError(problems)
        return cls(**values)


Parser = Callable[[str], Any]


def _parsers(environ: Mapping[str, str]) -> list[tuple[str, str, Parser]]:
    """Field, key and parser of each setting that is given or required."""
    oidc: list[tuple[str, str, Parser]] = [
        ("oidc_issuer", OIDC_ISSUER, _parse_issuer),
        ("oidc_audience", OIDC_AUDIENCE, _parse_required),
    ]
    optional: list[tuple[str, str, Parser]] = [
        ("auth", AUTH, lambda mode: _parse_auth(mode, environ)),
        ("default_group", "USHER_DEFAULT_GROUP", _parse_group),
        ("single_group", "USHER_SINGLE_GROUP", _parse_flag),
        ("token_minutes", "USHER_TOKEN_MINUTES", _parse_minutes),
        ("user_claim", "USHER_USER_CLAIM", str),
        ("allowed_origins", "USHER_ALLOWED_ORIGINS", _parse_origins),
        ("announcement_format", "USHER_ANNOUNCEMENT_FORMAT", _parse_format),
        ("policy_file", "USHER_POLICY_FILE", str),
        ("caller_limit", "USHER_CALLER_LIMIT", _parse_limit),
        ("address_limit", "USHER_ADDRESS_LIMIT", _parse_limit),
        ("digest_above", "USHER_DIGEST_ABOVE", _parse_rate),
        ("digest_seconds", "USHER_DIGEST_SECONDS", _parse_seconds),
        ("demo", "USHER_DEMO", _parse_flag),
        # Injected by the platform, and by nobody else (azure-functions-host, EnvironmentSettings).
        ("platform_auth", "WEBSITE_AUTH_ENABLED", lambda text: text.lower() in ("true", "1")),
    ]
    # An empty text is a choice (no announcement); elsewhere empty means not given.
    texts: list[tuple[str, str, Parser]] = [
        ("join_text", "USHER_JOIN_TEXT", _parse_template),
        ("leave_text", "USHER_LEAVE_TEXT", _parse_template),
    ]
    given = [entry for entry in optional if environ.get(entry[1])]
    written = [entry for entry in texts if entry[1] in environ]
    required = [
        _connection_parser(environ),
        ("hub", HUB, _parse_hub),
        *(oidc if environ.get(AUTH) == "oidc" else []),
    ]
    return [*required, *given, *written]


def _connection_parser(environ: Mapping[str, str]) -> tuple[str, str, Parser]:
    """A connection string wins over a service URI, and is what is asked for where both lack."""
    if environ.get(CONNECTION) or not environ.get(SERVICE_URI):
        return "connection", CONNECTION, _parse_connection_string
    return "connection", SERVICE_URI, lambda uri: _parse_service_uri(uri, environ)


def _parse_connection_string(text: str) -> Connection:
    # Parsed here and not by the SDK, whose error for a malformed string prints the key.
    if not text:
        raise ValueError(f"is required (or {SERVICE_URI}, to use an identity)")
    pairs = [segment.partition("=") for segment in text.split(";") if segment.strip()]
    parts = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if not all(separator for _, separator, _ in pairs):
        raise ValueError("must be made of key=value pairs with ';' between them")
    if len(parts) < len(pairs):
        raise ValueError("names a key twice")
    if not parts.get("accesskey"):
        raise ValueError("has no AccessKey")
    port = f":{parts['port']}" if parts.get("port") else ""
    endpoint = _parse_endpoint(parts.get("endpoint", "").rstrip("/") + port, "has an Endpoint that")
    return Connection(endpoint, access_key=parts["accesskey"])


def _parse_service_uri(text: str, environ: Mapping[str, str]) -> Connection:
    return Connection(
        _parse_endpoint(text, "is a URL that"),
        client_id=environ.get(f"{CONNECTION}__clientId") or None,
        # App Service's and Functions' own sign of an identity (App Service docs, "Managed
        # identities", REST endpoint reference).
        managed_identity=bool(_azure_marker(environ)) or bool(environ.get("IDENTITY_ENDPOINT")),
    )


def _parse_endpoint(text: str, subject: str) -> str:
    try:
        parts = urlsplit(text)
        netloc, host, _ = parts.netloc, parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{subject} cannot be read") from None
    if parts.scheme not in ("http", "https") or not host or "@" in netloc:
        raise ValueError(f"{subject} is not of the form https://NAME.webpubsub.azure.com")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{subject} has more than a host in it")
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        raise ValueError(f"{subject} is http, which is for a stand-in on this machine only")
    return f"{parts.scheme}://{netloc.lower()}"


def _parse_hub(text: str) -> str:
    if not HUB_NAME.fullmatch(_parse_required(text)):
        raise ValueError("must start with a letter and have letters, digits and _ ` , . [ ] only")
    return text


def _parse_auth(mode: str, environ: Mapping[str, str]) -> str:
    if mode not in AUTH_MODES:
        raise ValueError(f"must be one of {', '.join(AUTH_MODES)}")
    if mode == "local" and (marker := _azure_marker(environ)):
        raise ValueError(f"is 'local', which is refused in Azure, and {marker} says that it is")
    return mode


def _parse_issuer(text: str) -> str:
    """Tokens repeat it to the character (OpenID Connect Discovery 1.0, section 4.3)."""
    url = urlsplit(_parse_required(text))
    if url.scheme not in ("https", "http") or not url.hostname or url.query or url.fragment:
        raise ValueError("must be a URL of the form https://HOST/PATH")
    if url.scheme == "http" and url.hostname not in LOOPBACK_HOSTS:
        raise ValueError("is http, which is for a provider on this machine only")
    return text


def _parse_origins(text: str) -> frozenset[str]:
    origins = frozenset(origin.strip().lower() for origin in text.split(",") if origin.strip())
    if not all(re.fullmatch(r"https?://[^/?#@*\s]+", origin) for origin in origins):
        raise ValueError("must be origins of the form https://HOST, with ',' between them")
    return origins


def _parse_required(text: str) -> str:
    if not text:
        raise ValueError("is required")
    return text


def _parse_group(name: str) -> str:
    if not is_group_name(name):
        raise ValueError(f"must {GROUP_RULE}")
    return name


def _parse_flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _parse_minutes(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) < 1:
        raise ValueError("must be a whole number of minutes, 1 or more")
    return int(text)


def _parse_format(text: str) -> str:
    if text not in ANNOUNCEMENT_FORMATS:
        raise ValueError(f"must be one of {', '.join(ANNOUNCEMENT_FORMATS)}")
    return text


def _parse_rate(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise ValueError("must be a whole number of joins a second, or 0 for no digests")
    return int(text)


def _parse_seconds(text: str) -> float:
    if not re.fullmatch(r"[0-5](\.[0-9]{1,3})?", text) or not 0.1 <= float(text) <= 5:
        raise ValueError("must be a number of seconds from 0.1 to 5")
    return float(text)


def _parse_limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError("must be a whole number of calls a minute, or 0 for no limit")
    return int(text)


def _parse_template(text: str) -> str:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        raise ValueError("has a brace that is not closed or not opened") from None
    if any(name not in (None, "userId", "group") for _, name, _, _ in parts):
        raise ValueError("may use {userId} and {group} only")
    if any(form or conversion for _, _, form, conversion in parts):
        raise ValueError("may not format or convert {userId} or {group}")
    return text


def _azure_marker(environ: Mapping[str, str]) -> str | None:
    return next((marker for marker in AZURE_MARKERS if environ.get(marker)), None)
