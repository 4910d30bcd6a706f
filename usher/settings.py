"""The settings, parsed once into a frozen dataclass. No other module reads the environment."""

import re
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from usher.door.modes import AUTH, MODES, OIDC_AUDIENCE, OIDC_ISSUER, Mode, NoMode
from usher.errors import SettingsError
from usher.groups.announcements import FORMATS
from usher.names import GROUP_RULE, HUB_NAME, is_group_name

type Parser = Callable[[str], Any]
type Entry = tuple[str, str, Parser]  # field of Settings, key in the environment, parser

# Each plan of Azure Functions sets one of these: App Service; Linux consumption and Flex; Flex
# (azure-functions-host, environment helpers).
AZURE_MARKERS = ("WEBSITE_INSTANCE_ID", "CONTAINER_NAME", "WEBSITE_POD_NAME", "LEGION_SERVICE_HOST")
# Other platforms, and every variable of App Service (Azure Container Apps documentation,
# "Environment variables"; Kubernetes documentation, "Service", discovery).
OTHER_MARKERS = (
    "CONTAINER_APP_",
    "KUBERNETES_SERVICE_HOST",
    "WEBSITE_",
    "FUNCTIONS_EXTENSION_VERSION",
)
# Core Tools sets the first of these on a developer's machine, and local settings may have the other
# (azure-functions-core-tools, StartHostAction).
CORE_TOOLS_VARIABLES = ("WEBSITE_HOSTNAME", "FUNCTIONS_EXTENSION_VERSION")
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
# On the way, anybody could change a page that is loaded over http.
ORIGIN = re.compile(r"https://[^/?#@*\s]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
# Of a storage account, or of Azurite at its usual port.
CONNECTION_STRING = (
    r"(?i)UseDevelopmentStorage=true;?|(?=.*AccountName=[^;])(?=.*AccountKey=[^;]).*"
)
SHORTEST_KEY = 16  # bytes; a shorter key can be guessed from a token that it signs
LONGEST_TOKEN_MINUTES = 24 * 60
CONNECTION = "WebPubSubConnectionString"
SERVICE_URI = f"{CONNECTION}__serviceUri"
HUB = "WebPubSubHub"
BANS = "USHER_BANS"
BANS_TABLE_URI = "USHER_BANS_TABLE_URI"
# The storage of the Functions host.
STORAGE = "AzureWebJobsStorage"
STORAGE_TABLE_URI, STORAGE_CLIENT = (
    "AzureWebJobsStorage__tableServiceUri",
    "AzureWebJobsStorage__clientId",
)
PRESENCE = "presence"  # the announcement format of state messages
LONGEST_GRACE = 10  # seconds


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach Web PubSub: with an access key or, without one, with an identity.

    `managed_identity` is True where the platform provides one; elsewhere the developer's login is
    used. `client_id` selects a user-assigned identity.
    """

    endpoint: str
    access_key: str | None = field(default=None, repr=False)
    client_id: str | None = None
    managed_identity: bool = False

    @property
    def host(self) -> str:
        """The host name in lower case without the port, as `WebHook-Request-Origin` has it."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """Whether the service is an emulator on this machine."""
        return self.host in LOOPBACK_HOSTS


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where bans are kept. `kind` is off, table or sqlite.

    `file` is the SQLite file, relative to the app's folder. A table is reached with the connection
    string, or at its URI with an identity; see Connection.
    """

    kind: str = "off"
    file: str = ""
    table_uri: str = ""
    connection_string: str = field(default="", repr=False)
    client_id: str | None = None
    managed_identity: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of the app. `token_minutes` is the default and the longest token lifetime.

    `oidc_clients` are the clients whose bearer tokens are accepted; empty for all.
    `allowed_origins` are the origins of pages that may open a connection. `policy_file` is relative
    to the app's folder. `caller_limit` and `address_limit` are calls per minute and instance; 0 is
    no limit. `connect_limit` and `most_connections` are for one user and instance, with 0 for no
    limit; `most_groups` is for one token. `leave_grace` is in seconds. `demo` switches the demo
    page on. `state_key` seals connection states; without one, the access key does.
    `admits_without_store` admits users while the store of the bans does not answer.
    """

    connection: Connection
    hub: str
    mode: Mode = field(default_factory=NoMode)
    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_clients: frozenset[str] = frozenset()
    allowed_origins: frozenset[str] = frozenset()
    policy_file: str = "policy.json"
    caller_limit: int = 60
    address_limit: int = 600
    connect_limit: int = 60
    most_connections: int = 50
    default_group: str = "lobby"
    single_group: bool = False
    most_groups: int = 20
    token_minutes: int = 60
    digest_above: int = 5
    digest_seconds: float = 1.0
    join_text: str = "{userId} joined {group}"
    leave_text: str = "{userId} left {group}"
    announcement_format: str = "text"
    leave_grace: float = 3.0
    demo: bool = False
    state_key: str = field(default="", repr=False)
    store: StoreSettings = field(default_factory=StoreSettings)
    admits_without_store: bool = False
    is_in_azure: bool = False

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Parse the settings. Raises SettingsError, which names every wrong key and no value."""
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, key, parse in _parsers(environ):
            try:
                values[name] = parse(environ.get(key, ""))
            except ValueError as error:
                problems[key] = str(error)
        problems |= _find_conflicts(values)
        if problems:
            raise SettingsError(problems)
        return cls(**values, is_in_azure=bool(_azure_marker(environ)))


def find_mode(environ: Mapping[str, str]) -> type[Mode]:
    """Return the class of the authentication mode, NoMode if none or an unknown one is set.

    The Functions host needs to know it while it indexes the app, before the settings are parsed.
    """
    return MODES.get(environ.get(AUTH, ""), NoMode)


def find_hub_problem(environ: Mapping[str, str]) -> str | None:
    """Return what is wrong with the hub, None if nothing is; needed as early as the mode."""
    try:
        _parse_hub(environ.get(HUB, ""))
    except ValueError as error:
        return str(error)
    return None


def _parsers(environ: Mapping[str, str]) -> list[Entry]:
    """Return field, key and parser of each setting that is required or present."""
    required = [
        _connection_parser(environ),
        ("hub", HUB, _parse_hub),
        *(entry for entry in OIDC if entry[1] in find_mode(environ).required_settings),
    ]
    dependent: list[Entry] = [
        ("mode", AUTH, lambda name: _parse_mode(name, environ)),
        ("store", BANS, lambda text: _parse_store(text, environ)),
    ]
    present = [entry for entry in [*dependent, *OPTIONAL] if environ.get(entry[1])]
    texts = [entry for entry in TEXTS if entry[1] in environ]
    return [*required, *present, *texts]


def _connection_parser(environ: Mapping[str, str]) -> Entry:
    """Prefer the connection string to a service URI, and require it if both are missing."""
    if environ.get(CONNECTION) or not environ.get(SERVICE_URI):
        return "connection", CONNECTION, _parse_connection_string
    return "connection", SERVICE_URI, lambda uri: _parse_service_uri(uri, environ)


def _parse_connection_string(text: str) -> Connection:
    # Not parsed by the SDK, whose error for a malformed string prints the key.
    if not text:
        raise ValueError(f"is required (or {SERVICE_URI}, to use an identity)")
    pairs = [segment.partition("=") for segment in text.split(";") if segment.strip()]
    parts = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if not all(separator for _, separator, _ in pairs):
        raise ValueError("must be key=value pairs, separated by ';'")
    if len(parts) < len(pairs):
        raise ValueError("has a key twice")
    if not parts.get("accesskey"):
        raise ValueError("has no AccessKey")
    if len(parts["accesskey"].encode()) < SHORTEST_KEY:
        raise ValueError(f"has an AccessKey of less than {SHORTEST_KEY} bytes")
    port = f":{parts['port']}" if parts.get("port") else ""
    endpoint = _parse_endpoint(parts.get("endpoint", "").rstrip("/") + port, "has an Endpoint that")
    return Connection(endpoint, access_key=parts["accesskey"])


def _parse_service_uri(text: str, environ: Mapping[str, str]) -> Connection:
    return Connection(
        _parse_endpoint(text, "is a URL that"),
        client_id=environ.get(f"{CONNECTION}__clientId") or None,
        # App Service and Functions set it where there is an identity (App Service documentation,
        # "Managed identities", REST endpoint reference).
        managed_identity=bool(_azure_marker(environ)) or bool(environ.get("IDENTITY_ENDPOINT")),
    )


def _parse_endpoint(text: str, subject: str) -> str:
    try:
        parts = urlsplit(text)
        netloc, host, _ = parts.netloc, parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{subject} cannot be parsed") from None
    if parts.scheme not in ("http", "https") or not host or "@" in netloc:
        raise ValueError(f"{subject} does not have the form https://NAME.webpubsub.azure.com")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{subject} has more than a host in it")
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        raise ValueError(f"{subject} is http, which is only for an emulator on this machine")
    return f"{parts.scheme}://{netloc.lower()}"


def _parse_hub(text: str) -> str:
    if not HUB_NAME.fullmatch(_parse_required(text)):
        raise ValueError("must start with a letter and have letters, digits and _ ` , . [ ] only")
    return text


def _parse_mode(name: str, environ: Mapping[str, str]) -> Mode:
    if name not in MODES:
        raise _wrong_choice(name, MODES)
    if not MODES[name].may_run_in_azure and (marker := _platform_marker(environ)):
        raise ValueError(f"is {name!r}, which is refused in Azure; {marker} is set, as in Azure")
    # The platform injects this variable (azure-functions-host, EnvironmentSettings).
    is_enabled = environ.get("WEBSITE_AUTH_ENABLED", "").lower() in ("true", "1")
    has_platform_auth = is_enabled and bool(_azure_marker(environ))
    provider = environ.get("USHER_EASYAUTH_PROVIDER") or None
    return MODES[name](environ.get("USHER_USER_CLAIM") or None, has_platform_auth, provider)


def _parse_store(text: str, environ: Mapping[str, str]) -> StoreSettings:
    if text == "off":
        return StoreSettings()
    if text == "table":
        return _parse_table(environ)
    if not text.startswith("sqlite:") or not text.removeprefix("sqlite:"):
        raise ValueError("must be off, table or sqlite:PATH")
    if marker := _platform_marker(environ):
        raise ValueError(f"is sqlite, which instances in Azure cannot share; {marker} is set")
    return StoreSettings("sqlite", file=text.removeprefix("sqlite:"))


def _parse_table(environ: Mapping[str, str]) -> StoreSettings:
    """Prefer a URI of its own, then the URI and the connection string of the host's storage."""
    uri = environ.get(BANS_TABLE_URI) or environ.get(STORAGE_TABLE_URI) or ""
    if uri:
        url = urlsplit(uri)
        if url.scheme != "https" or not url.hostname or "@" in url.netloc or url.query:
            raise ValueError(
                "is table, whose URI does not have the form https://NAME.table.core.windows.net"
            )
        return StoreSettings(
            "table",
            table_uri=uri,
            client_id=environ.get(STORAGE_CLIENT) or None,
            managed_identity=bool(_azure_marker(environ)) or bool(environ.get("IDENTITY_ENDPOINT")),
        )
    connection_string = environ.get(STORAGE, "")
    if not re.fullmatch(CONNECTION_STRING, connection_string):
        raise ValueError(
            "is table, which needs USHER_BANS_TABLE_URI, AzureWebJobsStorage__tableServiceUri, or "
            "a connection string in AzureWebJobsStorage"
        )
    return StoreSettings("table", connection_string=connection_string)


def _find_conflicts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the problems of valid settings that do not fit each other."""
    mode, connection = values.get("mode"), values.get("connection")
    if mode and connection and not mode.may_run_in_azure and not connection.is_loopback:
        return {AUTH: f"is {mode.name!r}, which needs an emulator on this machine as the service"}
    return {}


def _parse_issuer(text: str) -> str:
    """Tokens repeat the issuer exactly (OpenID Connect Discovery 1.0, section 4.3)."""
    url = urlsplit(_parse_required(text))
    if url.scheme not in ("https", "http") or not url.hostname or url.query or url.fragment:
        raise ValueError("must be a URL of the form https://HOST/PATH")
    if url.scheme == "http" and url.hostname not in LOOPBACK_HOSTS:
        raise ValueError("is http, which is only for a provider on this machine")
    return text


def _parse_names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ValueError("must be names, separated by ','")
    return names


def _parse_origins(text: str) -> frozenset[str]:
    origins = frozenset(origin.strip().lower() for origin in text.split(",") if origin.strip())
    if not all(map(ORIGIN.fullmatch, origins)):
        raise ValueError(
            "must be origins of the form https://HOST, separated by ',' (http on this machine only)"
        )
    return origins


def _parse_secret(text: str) -> str:
    # Azure passes a reference that it cannot resolve to the app as it is (App Service
    # documentation, "Use Key Vault references").
    if text.startswith("@Microsoft.KeyVault("):
        raise ValueError("is a reference to a key vault that the platform could not resolve")
    if not re.fullmatch(r"[!-~]{32,}", text):
        raise ValueError("must have at least 32 characters, printable ASCII without blanks")
    return text


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


def _parse_when_down(text: str) -> bool:
    if text not in ("refuse", "admit"):
        raise ValueError("must be refuse or admit")
    return text == "admit"


def _parse_format(text: str) -> str:
    if text not in (*FORMATS, PRESENCE):
        raise _wrong_choice(text, (*FORMATS, PRESENCE))
    return text


def _wrong_choice(text: str, choices: Iterable[str]) -> ValueError:
    # Imported here, because right settings never need it.
    from difflib import get_close_matches

    names = list(choices)
    close = get_close_matches(text.lower(), names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return ValueError(f"must be one of {', '.join(names)}{hint}")


def _parse_seconds(text: str) -> float:
    if not re.fullmatch(r"[0-5](\.[0-9]{1,3})?", text) or not 0.1 <= float(text) <= 5:
        raise ValueError("must be a number of seconds from 0.1 to 5")
    return float(text)


def _parse_grace(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", text) or float(text) > LONGEST_GRACE:
        raise ValueError(f"must be a number of seconds from 1 to {LONGEST_GRACE}")
    if float(text) < 1:
        # Of two messages with the same `asOf`, the one that says "present" wins.
        raise ValueError(
            "must be 1 or more, because `asOf` has whole seconds: a leave that is announced in the "
            "second of the join would be ignored"
        )
    return float(text)


def _parse_number(text: str, meaning: str, lowest: int = 0, highest: int = 999_999) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not lowest <= int(text) <= highest:
        raise ValueError(f"must be a whole number of {meaning}")
    return int(text)


def _parse_minutes(text: str) -> int:
    return _parse_number(text, MINUTES, lowest=1, highest=LONGEST_TOKEN_MINUTES)


def _parse_template(text: str) -> str:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        raise ValueError("has a brace without its counterpart") from None
    if any(name not in (None, "userId", "group") for _, name, _, _ in parts):
        raise ValueError("may use {userId} and {group} only")
    if any(form or conversion for _, _, form, conversion in parts):
        raise ValueError("may not format or convert {userId} or {group}")
    return text


def _azure_marker(environ: Mapping[str, str]) -> str | None:
    return next((marker for marker in AZURE_MARKERS if environ.get(marker)), None)


def _platform_marker(environ: Mapping[str, str]) -> str | None:
    """Return the name of a variable that any cloud platform sets, None without one."""
    has_core_tools = environ.get("FUNCTIONS_CORETOOLS_ENVIRONMENT") == "true"
    ignored = CORE_TOOLS_VARIABLES if has_core_tools else ()
    found = (name for name, value in environ.items() if value and name not in ignored)
    return next((name for name in found if name.startswith(AZURE_MARKERS + OTHER_MARKERS)), None)


GROUPS = "groups, 1 or more"
MINUTES = f"minutes, 1 to {LONGEST_TOKEN_MINUTES}"
CALLS = "calls per minute, or 0 for no limit"
CONNECTIONS = "connections, or 0 for no limit"
JOINS = "joins per second, or 0 for no summaries"
# Required if the mode says so:
OIDC: list[Entry] = [
    ("oidc_issuer", OIDC_ISSUER, _parse_issuer),
    ("oidc_audience", OIDC_AUDIENCE, _parse_required),
]
# Empty means not set:
OPTIONAL: list[Entry] = [
    ("default_group", "USHER_DEFAULT_GROUP", _parse_group),
    ("single_group", "USHER_SINGLE_GROUP", _parse_flag),
    ("most_groups", "USHER_MOST_GROUPS", partial(_parse_number, meaning=GROUPS, lowest=1)),
    ("token_minutes", "USHER_TOKEN_MINUTES", _parse_minutes),
    ("allowed_origins", "USHER_ALLOWED_ORIGINS", _parse_origins),
    ("oidc_clients", "USHER_OIDC_CLIENTS", _parse_names),
    ("announcement_format", "USHER_ANNOUNCEMENT_FORMAT", _parse_format),
    ("policy_file", "USHER_POLICY_FILE", str),
    ("caller_limit", "USHER_CALLER_LIMIT", partial(_parse_number, meaning=CALLS)),
    ("address_limit", "USHER_ADDRESS_LIMIT", partial(_parse_number, meaning=CALLS)),
    ("connect_limit", "USHER_CONNECT_LIMIT", partial(_parse_number, meaning=CALLS)),
    ("most_connections", "USHER_MOST_CONNECTIONS", partial(_parse_number, meaning=CONNECTIONS)),
    ("digest_above", "USHER_DIGEST_ABOVE", partial(_parse_number, meaning=JOINS)),
    ("digest_seconds", "USHER_DIGEST_SECONDS", _parse_seconds),
    ("leave_grace", "USHER_LEAVE_GRACE_SECONDS", _parse_grace),
    ("demo", "USHER_DEMO", _parse_flag),
    ("state_key", "USHER_STATE_KEY", _parse_secret),
    ("admits_without_store", "USHER_BANS_WHEN_DOWN", _parse_when_down),
]
# Empty is a choice, no announcement:
TEXTS: list[Entry] = [
    ("join_text", "USHER_JOIN_TEXT", _parse_template),
    ("leave_text", "USHER_LEAVE_TEXT", _parse_template),
]
