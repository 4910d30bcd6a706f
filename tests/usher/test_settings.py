import json
import re
from pathlib import Path

import pytest

from usher import settings as settings_module
from usher.door import modes
from usher.door.modes import Local, NoMode
from usher.errors import SettingsError
from usher.settings import AZURE_MARKERS, Settings, StoreSettings

KEY = "a-made-up-access-key-of-32-bytes!"
CONNECTION_STRING = f"Endpoint=https://demo.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"
KEY_MODE = {"WebPubSubConnectionString": CONNECTION_STRING, "WebPubSubHub": "chat"}
EMULATOR = KEY_MODE | {
    "WebPubSubConnectionString": f"Endpoint=http://localhost:8080;AccessKey={KEY};Version=1.0;"
}
IDENTITY_MODE = {
    "WebPubSubConnectionString__serviceUri": "https://demo.webpubsub.azure.com/",
    "WebPubSubHub": "chat",
}


def problems(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(environ)
    return caught.value.problems


def test_only_the_connection_and_the_hub_are_required() -> None:
    settings = Settings.from_environ(KEY_MODE)
    assert settings.connection.endpoint == "https://demo.webpubsub.azure.com"
    assert settings.connection.access_key == KEY
    assert settings.connection.host == "demo.webpubsub.azure.com"
    assert (settings.mode, settings.default_group, settings.single_group) == (
        NoMode(),
        "lobby",
        False,
    )
    assert settings.token_minutes == 60
    assert not settings.demo
    assert settings.join_text == "{userId} joined {group}"
    assert settings.leave_text == "{userId} left {group}"
    assert (settings.announcement_format, settings.leave_grace) == ("text", 3)


def test_every_optional_setting_is_read() -> None:
    """An empty text is kept, because it means no announcement."""
    settings = Settings.from_environ(
        EMULATOR
        | {
            "USHER_AUTH": "local",
            "USHER_DEFAULT_GROUP": "hall",
            "USHER_SINGLE_GROUP": "True",
            "USHER_TOKEN_MINUTES": "15",
            "USHER_JOIN_TEXT": "",
            "USHER_LEAVE_TEXT": "bye {userId}",
            "USHER_ANNOUNCEMENT_FORMAT": "json",
            "USHER_LEAVE_GRACE_SECONDS": "2.5",
            "USHER_DEMO": "true",
        }
    )
    assert (settings.mode, settings.default_group, settings.single_group) == (Local(), "hall", True)
    assert (settings.token_minutes, settings.join_text) == (15, "")
    assert (settings.leave_text, settings.announcement_format) == ("bye {userId}", "json")
    assert settings.leave_grace == 2.5
    assert settings.demo


@pytest.mark.parametrize("name", ["text", "json", "presence"])
def test_an_announcement_format_is_one_of_three(name: str) -> None:
    settings = Settings.from_environ(KEY_MODE | {"USHER_ANNOUNCEMENT_FORMAT": name})
    assert settings.announcement_format == name
    found = problems(KEY_MODE | {"USHER_ANNOUNCEMENT_FORMAT": name.upper()})
    problem = f"must be one of text, json, presence; did you mean {name}?"
    assert found == {"USHER_ANNOUNCEMENT_FORMAT": problem}


@pytest.mark.parametrize(
    ("text", "hint"), [("locl", "; did you mean local?"), ("KEY", "; did you mean key?"), ("?", "")]
)
def test_a_mode_that_is_almost_right_gets_a_hint(text: str, hint: str) -> None:
    """The hint is one of the modes, and never the value."""
    found = problems(KEY_MODE | {"USHER_AUTH": text})
    names = "easyauth, oidc, key, anonymous, local"
    assert found == {"USHER_AUTH": f"must be one of {names}{hint}"}


@pytest.mark.parametrize("text", ["1", "1.5", "3.125", "10", "10.000"])
def test_the_grace_of_a_leave_has_from_1_to_10_seconds(text: str) -> None:
    settings = Settings.from_environ(KEY_MODE | {"USHER_LEAVE_GRACE_SECONDS": text})
    assert settings.leave_grace == float(text)


@pytest.mark.parametrize("text", ["0", "0.999", "00.5"])
def test_a_grace_below_a_second_is_refused_with_the_reason(text: str) -> None:
    """A list of the service has whole seconds."""
    found = problems(KEY_MODE | {"USHER_LEAVE_GRACE_SECONDS": text})
    assert "1 or more, because" in found["USHER_LEAVE_GRACE_SECONDS"]


@pytest.mark.parametrize(
    "text", ["10.001", "11", "99", "-1", "3s", "1e1", "3.", "1.0000", "٣", " 3"]
)
def test_a_grace_that_is_no_number_or_too_long_is_refused(text: str) -> None:
    found = problems(KEY_MODE | {"USHER_LEAVE_GRACE_SECONDS": text})
    assert "from 1 to 10" in found["USHER_LEAVE_GRACE_SECONDS"]


STATE_KEY = "a-made-up-state-key-of-32-bytes!!"


def test_the_state_key_is_not_shown() -> None:
    settings = Settings.from_environ(IDENTITY_MODE | {"USHER_STATE_KEY": STATE_KEY})
    assert settings.state_key == STATE_KEY
    assert STATE_KEY not in repr(settings)
    assert Settings.from_environ(IDENTITY_MODE | {"USHER_STATE_KEY": ""}).state_key == ""


@pytest.mark.parametrize(
    "text", ["k" * 31, "k" * 40 + " ", "k" * 40 + "\n", "é" * 40, "\udcff" * 40]
)
def test_a_state_key_that_is_short_or_has_other_characters(text: str) -> None:
    """The problem does not show the value."""
    found = problems(IDENTITY_MODE | {"USHER_STATE_KEY": text})
    assert list(found) == ["USHER_STATE_KEY"]
    assert "32 characters" in found["USHER_STATE_KEY"]
    assert text not in found["USHER_STATE_KEY"]


def test_a_reference_to_a_key_vault_that_was_not_resolved() -> None:
    """Its text is no secret."""
    text = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/usher-state-key)"
    found = problems(IDENTITY_MODE | {"USHER_STATE_KEY": text})
    assert "could not resolve" in found["USHER_STATE_KEY"]


def test_empty_optional_settings_mean_the_default() -> None:
    """Azure and CI systems often set a variable to an empty text instead of removing it."""
    empty = {"USHER_AUTH": "", "USHER_DEFAULT_GROUP": "", "USHER_TOKEN_MINUTES": ""}
    assert Settings.from_environ(KEY_MODE | empty) == Settings.from_environ(KEY_MODE)


def test_a_connection_string_is_read_as_the_sdk_reads_it() -> None:
    """Keys have any case, `Port` is added to the endpoint, and blanks are ignored."""
    text = f" endpoint=http://LocalHost/ ; ACCESSKEY={KEY} ; port=8080 ;"
    settings = Settings.from_environ({**KEY_MODE, "WebPubSubConnectionString": text})
    assert settings.connection.endpoint == "http://localhost:8080"
    assert settings.connection.is_loopback


def test_without_a_platform_there_is_no_managed_identity() -> None:
    """On a developer's machine the developer's own login is used."""
    connection = Settings.from_environ(IDENTITY_MODE).connection
    assert connection.endpoint == "https://demo.webpubsub.azure.com"
    assert (connection.access_key, connection.client_id) == (None, None)
    assert not connection.managed_identity


@pytest.mark.parametrize("marker", ["IDENTITY_ENDPOINT", *AZURE_MARKERS])
def test_on_the_platform_the_managed_identity_is_used(marker: str) -> None:
    """Any variable of the platform is enough. The client id selects the identity."""
    client_id = {"WebPubSubConnectionString__clientId": "11111111"}
    connection = Settings.from_environ({**IDENTITY_MODE, **client_id, marker: "x"}).connection
    assert connection.managed_identity
    assert connection.client_id == "11111111"


def test_the_settings_know_whether_the_app_runs_in_azure() -> None:
    assert not Settings.from_environ(KEY_MODE).is_in_azure
    for marker in AZURE_MARKERS:
        assert Settings.from_environ({**KEY_MODE, marker: "x"}).is_in_azure


def test_a_connection_string_wins_over_an_identity() -> None:
    """The Functions extension does the same. An empty connection string is ignored."""
    both = KEY_MODE | IDENTITY_MODE
    assert Settings.from_environ(both).connection.access_key == KEY
    without = both | {"WebPubSubConnectionString": ""}
    assert Settings.from_environ(without).connection.access_key is None


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "WebPubSubConnectionString__serviceUri"),
        (f"Endpoint=https://demo.webpubsub.azure.com;AccessKey={KEY};rubbish", "key=value"),
        (f"Endpoint=https://a.example;Endpoint=https://b.example;AccessKey={KEY}", "key"),
        ("Endpoint=https://demo.webpubsub.azure.com", "AccessKey"),
        (f"AccessKey={KEY}", "Endpoint"),
        (f"Endpoint=demo.webpubsub.azure.com;AccessKey={KEY}", "https://"),
        (f"Endpoint=https://demo.example/path;AccessKey={KEY}", "Endpoint"),
        (f"Endpoint=https://user@demo.example;AccessKey={KEY}", "https://"),
        (f"Endpoint=https://demo.example;Port=many;AccessKey={KEY}", "Endpoint"),
        (f"Endpoint=http://demo.example;AccessKey={KEY}", "http"),
        (f"Endpoint=http://169.254.169.254;AccessKey={KEY}", "http"),
    ],
)
def test_the_problem_of_a_bad_connection_string_does_not_repeat_its_value(
    text: str, fact: str
) -> None:
    """The problem still says what is wrong."""
    found = problems({**KEY_MODE, "WebPubSubConnectionString": text})
    assert fact in found["WebPubSubConnectionString"]
    assert "demo" not in found["WebPubSubConnectionString"]


def test_each_mistake_in_a_connection_string_has_its_own_problem() -> None:
    texts = [
        "",
        f"Endpoint=https://demo.example;AccessKey={KEY};rubbish",
        f"Endpoint=https://a.example;Endpoint=https://b.example;AccessKey={KEY}",
        "Endpoint=https://demo.example",
        f"Endpoint=demo.example;AccessKey={KEY}",
        f"Endpoint=https://demo.example/path;AccessKey={KEY}",
        f"Endpoint=https://demo.example;Port=many;AccessKey={KEY}",
        f"Endpoint=http://demo.example;AccessKey={KEY}",
    ]
    key = "WebPubSubConnectionString"
    assert len({problems({**KEY_MODE, key: text})[key] for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("WebPubSubHub", ""),
        ("WebPubSubHub", "my-hub"),
        ("WebPubSubHub", "1st"),
        ("WebPubSubHub", "h" * 129),
        ("USHER_AUTH", "yes"),
        ("USHER_DEFAULT_GROUP", "   "),
        ("USHER_DEFAULT_GROUP", "lobby\u3164"),
        ("USHER_DEFAULT_GROUP", "lobby "),
        ("USHER_DEFAULT_GROUP", "g" * 1025),
        ("USHER_SINGLE_GROUP", "1"),
        ("USHER_ANNOUNCEMENT_FORMAT", "xml"),
        ("USHER_TOKEN_MINUTES", "0"),
        ("USHER_TOKEN_MINUTES", "-5"),
        ("USHER_TOKEN_MINUTES", "1.5"),
        ("USHER_TOKEN_MINUTES", "1441"),
        ("USHER_TOKEN_MINUTES", "999999"),
        ("USHER_MOST_GROUPS", "0"),
        ("USHER_CONNECT_LIMIT", "-1"),
        ("USHER_MOST_CONNECTIONS", "x"),
        ("USHER_MOST_GROUPS", "many"),
        ("USHER_JOIN_TEXT", "{userId"),
        ("USHER_JOIN_TEXT", "{connectionId} joined"),
        ("USHER_JOIN_TEXT", "{userId.__class__}"),
        ("USHER_LEAVE_TEXT", "{} left"),
        ("USHER_LEAVE_TEXT", "{userId:>999999999}"),
        ("USHER_LEAVE_TEXT", "{userId!r}"),
    ],
)
def test_a_bad_value_is_a_problem_of_its_key(key: str, value: str) -> None:
    assert list(problems({**KEY_MODE, key: value})) == [key]


def test_all_wrong_keys_are_reported_together() -> None:
    wrong = {"USHER_AUTH": "x", "USHER_TOKEN_MINUTES": "x", "USHER_JOIN_TEXT": "{x}"}
    expected = {*wrong, "WebPubSubConnectionString", "WebPubSubHub"}
    assert set(problems(wrong)) == expected


EASY_AUTH = KEY_MODE | {"USHER_AUTH": "easyauth"}
OIDC = {"USHER_OIDC_ISSUER": "https://login.example/tenant", "USHER_OIDC_AUDIENCE": "usher"}


@pytest.mark.parametrize("mode", ["easyauth", "key", "anonymous"])
@pytest.mark.parametrize("marker", AZURE_MARKERS)
def test_every_mode_except_local_is_allowed_in_azure(mode: str, marker: str) -> None:
    assert Settings.from_environ({**KEY_MODE, "USHER_AUTH": mode, marker: "x"}).mode.name == mode


def test_oidc_mode_requires_an_issuer_and_an_audience() -> None:
    """The issuer is not changed."""
    settings = Settings.from_environ(KEY_MODE | OIDC | {"USHER_AUTH": "oidc"})
    assert settings.oidc_issuer == "https://login.example/tenant"
    assert settings.oidc_audience == "usher"
    assert set(problems(KEY_MODE | {"USHER_AUTH": "oidc"})) == set(OIDC)


def test_the_clients_of_oidc_mode_are_a_list() -> None:
    """By default, every client of the provider is allowed."""
    environ = KEY_MODE | OIDC | {"USHER_AUTH": "oidc"}
    assert Settings.from_environ(environ).oidc_clients == frozenset()
    named = Settings.from_environ(environ | {"USHER_OIDC_CLIENTS": "page, App ,"})
    assert named.oidc_clients == {"page", "App"}
    assert list(problems(environ | {"USHER_OIDC_CLIENTS": " , "})) == ["USHER_OIDC_CLIENTS"]


@pytest.mark.parametrize(
    "issuer",
    ["login.example", "http://login.example", "ftp://login.example", "https://", "https://a?b"],
)
def test_a_bad_issuer_is_refused(issuer: str) -> None:
    """The issuer must be an https URL without a query."""
    wrong = KEY_MODE | OIDC | {"USHER_AUTH": "oidc", "USHER_OIDC_ISSUER": issuer}
    assert list(problems(wrong)) == ["USHER_OIDC_ISSUER"]


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        ({"WEBSITE_AUTH_ENABLED": "True"}, False),
        ({"WEBSITE_INSTANCE_ID": "x"}, False),
        ({"WEBSITE_AUTH_ENABLED": "False", "WEBSITE_INSTANCE_ID": "x"}, False),
        *(({"WEBSITE_AUTH_ENABLED": "True", marker: "x"}, True) for marker in AZURE_MARKERS),
    ],
)
def test_app_service_authentication_is_on_only_if_the_platform_says_so(
    environ: dict[str, str], on: bool
) -> None:
    """Only then the app trusts the headers. One variable alone is set by mistake too easily."""
    assert Settings.from_environ(EASY_AUTH | environ).mode.has_platform_auth is on


def test_allowed_origins_are_a_list_in_any_case() -> None:
    """By default no origin is allowed."""
    assert Settings.from_environ(KEY_MODE).allowed_origins == frozenset()
    text = "https://A.example, http://localhost:3000 ,http://[::1]:80,http://127.0.0.1"
    found = Settings.from_environ(KEY_MODE | {"USHER_ALLOWED_ORIGINS": text}).allowed_origins
    local = {"http://localhost:3000", "http://[::1]:80", "http://127.0.0.1"}
    assert found == {"https://a.example", *local}


def test_the_shortest_access_key_has_16_bytes() -> None:
    """A shorter key can be guessed from a token that it signs."""
    for key, is_valid in (("k" * 16, True), ("k" * 15, False), ("ü" * 8, True), ("k", False)):
        text = f"Endpoint=https://demo.webpubsub.azure.com;AccessKey={key}"
        environ = {**KEY_MODE, "WebPubSubConnectionString": text}
        if is_valid:
            assert Settings.from_environ(environ).connection.access_key == key
        else:
            assert "AccessKey" in problems(environ)["WebPubSubConnectionString"]


def test_the_longest_lifetime_of_a_token_is_a_day() -> None:
    assert Settings.from_environ(KEY_MODE | {"USHER_TOKEN_MINUTES": "1440"}).token_minutes == 1440


@pytest.mark.parametrize(
    "text",
    [
        *("*", "a.example", "https://a.example/", "https://*.a.example", "null", "https://"),
        *("http://a.example", "http://localhost.a.example", "http://127.0.0.1.a.example:80"),
        *("https://a.example,http://a.example", "http://[::2]", "http://localhost@a.example"),
    ],
)
def test_a_wildcard_and_a_bad_origin_are_refused(text: str) -> None:
    """Http is for pages of this machine only: on the way, anybody could change such a page."""
    assert list(problems(KEY_MODE | {"USHER_ALLOWED_ORIGINS": text})) == ["USHER_ALLOWED_ORIGINS"]


def test_the_user_claim_is_optional() -> None:
    """None means the default claim of the mode."""
    assert Settings.from_environ(EASY_AUTH).mode.user_claim is None
    named = Settings.from_environ(EASY_AUTH | {"USHER_USER_CLAIM": "email"})
    assert named.mode.user_claim == "email"


def test_the_provider_of_app_service_authentication_is_optional() -> None:
    """None means that the ids of users have the provider's name."""
    assert Settings.from_environ(EASY_AUTH | {"USHER_EASYAUTH_PROVIDER": ""}).mode.provider is None
    assert Settings.from_environ(EASY_AUTH).mode.provider is None
    named = Settings.from_environ(EASY_AUTH | {"USHER_EASYAUTH_PROVIDER": "aad"})
    assert named.mode.provider == "aad"


LOCAL = EMULATOR | {"USHER_AUTH": "local"}
# Azure Container Apps documentation, "Environment variables"; Kubernetes documentation, "Service",
# discovery; azure-functions-host, EnvironmentSettings.
MARKERS = [
    *AZURE_MARKERS,
    *("CONTAINER_APP_NAME", "CONTAINER_APP_REVISION", "KUBERNETES_SERVICE_HOST"),
    *("WEBSITE_SITE_NAME", "WEBSITE_HOSTNAME", "WEBSITE_SKU", "FUNCTIONS_EXTENSION_VERSION"),
]


@pytest.mark.parametrize("marker", MARKERS)
def test_local_mode_is_refused_on_every_platform(marker: str) -> None:
    """The mode trusts every caller, so it must not be left on by mistake."""
    found = problems({**LOCAL, marker: "x"})
    assert list(found) == ["USHER_AUTH"]
    assert marker in found["USHER_AUTH"]


def test_local_mode_runs_on_core_tools() -> None:
    """Core Tools sets some of the platform's variables, and one that no platform sets."""
    core_tools = {
        "FUNCTIONS_CORETOOLS_ENVIRONMENT": "true",
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "WEBSITE_HOSTNAME": "localhost:7071",
    }
    assert Settings.from_environ(LOCAL | core_tools).mode == Local()
    assert list(problems(LOCAL | core_tools | {"WEBSITE_INSTANCE_ID": "x"})) == ["USHER_AUTH"]


@pytest.mark.parametrize("service", [KEY_MODE, IDENTITY_MODE])
def test_local_mode_needs_a_service_on_this_machine(service: dict[str, str]) -> None:
    """Every other wrong key is still named."""
    wrong = service | {"USHER_AUTH": "local", "USHER_TOKEN_MINUTES": "x"}
    assert set(problems(wrong)) == {"USHER_AUTH", "USHER_TOKEN_MINUTES"}


def test_the_sample_has_exactly_the_settings_that_the_app_reads() -> None:
    """Variables that only the platform sets are not included."""
    root = Path(settings_module.__file__).parent.parent
    sample = json.loads((root / "local.settings.sample.json").read_text("utf-8"))["Values"]
    modules = (settings_module, modes)
    source = "".join(Path(str(module.__file__)).read_text("utf-8") for module in modules)
    keys = set(re.findall(r'"(USHER_[A-Z_]+|WebPubSub[A-Za-z]+)"', source))
    assert keys == {key for key in sample if key.startswith(("USHER_", "WebPubSub"))}


def test_no_repr_and_no_error_has_a_secret() -> None:
    """This holds for valid settings and for a connection string that cannot be read."""
    assert KEY not in repr(Settings.from_environ(KEY_MODE))
    broken = {**KEY_MODE, "WebPubSubConnectionString": f"Endpoint;AccessKey={KEY}"}
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(broken)
    assert KEY not in str(caught.value) + repr(caught.value) + str(caught.value.problems)
    assert caught.value.__cause__ is None


# --- bans ----------------------------------------------------------------------------------

STORAGE = f"DefaultEndpointsProtocol=https;AccountName=usher;AccountKey={KEY};"
TABLE_URI = "https://usher.table.core.windows.net/"


def store_of(environ: dict[str, str]) -> StoreSettings:
    return Settings.from_environ(KEY_MODE | environ).store


def test_bans_are_off_by_default() -> None:
    assert store_of({}) == store_of({"USHER_BANS": "off"}) == StoreSettings()
    assert not Settings.from_environ(KEY_MODE).admits_without_store
    admits = Settings.from_environ(KEY_MODE | {"USHER_BANS_WHEN_DOWN": "admit"})
    assert admits.admits_without_store


def test_bans_in_a_file() -> None:
    expected = StoreSettings("sqlite", file="folder/bans.sqlite")
    assert store_of({"USHER_BANS": "sqlite:folder/bans.sqlite"}) == expected


def test_bans_in_a_table_by_identity() -> None:
    """A URI of its own wins over the host's storage. The host's identity is used for both."""
    host = {
        "USHER_BANS": "table",
        "AzureWebJobsStorage__tableServiceUri": "https://host.table.core.windows.net",
        "AzureWebJobsStorage__clientId": "11111111",
        "IDENTITY_ENDPOINT": "http://127.0.0.1:1",
    }
    found = store_of(host)
    assert (found.table_uri, found.client_id) == ("https://host.table.core.windows.net", "11111111")
    assert found.managed_identity
    assert store_of(host | {"USHER_BANS_TABLE_URI": TABLE_URI}).table_uri == TABLE_URI
    assert not store_of({"USHER_BANS": "table", "USHER_BANS_TABLE_URI": TABLE_URI}).managed_identity


@pytest.mark.parametrize("text", [STORAGE, "UseDevelopmentStorage=true"])
def test_bans_in_a_table_by_connection_string(text: str) -> None:
    """Its key is not shown."""
    found = store_of({"USHER_BANS": "table", "AzureWebJobsStorage": text})
    assert found.connection_string == text
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    "environ",
    [
        {"USHER_BANS": "on"},
        {"USHER_BANS": "sqlite"},
        {"USHER_BANS": "sqlite:"},
        {"USHER_BANS": "sqlite:x", "WEBSITE_INSTANCE_ID": "1"},
        {"USHER_BANS": "table"},
        {"USHER_BANS": "table", "AzureWebJobsStorage": f"AccountKey={KEY}"},
        {"USHER_BANS": "table", "USHER_BANS_TABLE_URI": "http://usher.table.core.windows.net"},
        {"USHER_BANS": "table", "USHER_BANS_TABLE_URI": "https://a:b@usher.example"},
        {"USHER_BANS": "table", "USHER_BANS_TABLE_URI": f"{TABLE_URI}?sig={KEY}"},
        {"USHER_BANS": "table", "USHER_BANS_TABLE_URI": "https://[x"},
    ],
)
def test_a_wrong_place_for_bans(environ: dict[str, str]) -> None:
    found = problems(KEY_MODE | environ)
    assert list(found) == ["USHER_BANS"]
    assert KEY not in found["USHER_BANS"]


def test_a_wrong_choice_when_down() -> None:
    assert problems(KEY_MODE | {"USHER_BANS_WHEN_DOWN": "wait"}) == {
        "USHER_BANS_WHEN_DOWN": "must be refuse or admit"
    }
