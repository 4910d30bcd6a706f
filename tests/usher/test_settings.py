import json
import re
from pathlib import Path

import pytest

from usher import settings as settings_module
from usher.door import modes
from usher.door.modes import Local, NoMode
from usher.errors import SettingsError
from usher.groups.announcements import FORMATS
from usher.settings import AZURE_MARKERS, Settings

KEY = "a-made-up-access-key-of-32-bytes!"
CONNECTION_STRING = f"Endpoint=https://demo.webpubsub.azure.com;AccessKey={KEY};Version=1.0;"
KEY_MODE = {"WebPubSubConnectionString": CONNECTION_STRING, "WebPubSubHub": "chat"}
IDENTITY_MODE = {
    "WebPubSubConnectionString__serviceUri": "https://demo.webpubsub.azure.com/",
    "WebPubSubHub": "chat",
}


def problems(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(environ)
    return caught.value.problems


def test_key_mode_with_defaults() -> None:
    """Only the connection and the hub are required."""
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
    assert settings.announcement_format is FORMATS["text"]


def test_every_optional_setting() -> None:
    """Each setting reaches its field; an empty text is kept, because it means no announcement."""
    settings = Settings.from_environ(
        KEY_MODE
        | {
            "USHER_AUTH": "local",
            "USHER_DEFAULT_GROUP": "hall",
            "USHER_SINGLE_GROUP": "True",
            "USHER_TOKEN_MINUTES": "15",
            "USHER_JOIN_TEXT": "",
            "USHER_LEAVE_TEXT": "bye {userId}",
            "USHER_ANNOUNCEMENT_FORMAT": "json",
            "USHER_DEMO": "true",
        }
    )
    assert (settings.mode, settings.default_group, settings.single_group) == (Local(), "hall", True)
    assert (settings.token_minutes, settings.join_text) == (15, "")
    assert (settings.leave_text, settings.announcement_format) == ("bye {userId}", FORMATS["json"])
    assert settings.demo


def test_empty_optional_settings_mean_the_default() -> None:
    """Azure and CI systems often set a variable to nothing instead of leaving it out."""
    empty = {"USHER_AUTH": "", "USHER_DEFAULT_GROUP": "", "USHER_TOKEN_MINUTES": ""}
    assert Settings.from_environ(KEY_MODE | empty) == Settings.from_environ(KEY_MODE)


def test_connection_string_keys_have_no_case_and_a_port_is_added() -> None:
    """As the SDK reads it: keys in any case, `Port` behind the endpoint, blanks ignored."""
    text = f" endpoint=http://LocalHost/ ; ACCESSKEY={KEY} ; port=8080 ;"
    settings = Settings.from_environ({**KEY_MODE, "WebPubSubConnectionString": text})
    assert settings.connection.endpoint == "http://localhost:8080"
    assert settings.connection.is_loopback


def test_identity_mode_without_a_platform_identity() -> None:
    """On a developer's machine there is no managed identity; the login there is used."""
    connection = Settings.from_environ(IDENTITY_MODE).connection
    assert connection.endpoint == "https://demo.webpubsub.azure.com"
    assert (connection.access_key, connection.client_id) == (None, None)
    assert not connection.managed_identity


@pytest.mark.parametrize("sign", ["IDENTITY_ENDPOINT", *AZURE_MARKERS])
def test_identity_mode_with_a_managed_identity(sign: str) -> None:
    """Any sign of the platform makes it the managed identity, of the client id if one is given."""
    client_id = {"WebPubSubConnectionString__clientId": "11111111"}
    connection = Settings.from_environ({**IDENTITY_MODE, **client_id, sign: "x"}).connection
    assert connection.managed_identity
    assert connection.client_id == "11111111"


def test_a_connection_string_wins_over_an_identity() -> None:
    """The extension decides so as well; an empty one does not count."""
    both = KEY_MODE | IDENTITY_MODE
    assert Settings.from_environ(both).connection.access_key == KEY
    without = both | {"WebPubSubConnectionString": ""}
    assert Settings.from_environ(without).connection.access_key is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is required"),
        (f"Endpoint=https://demo.webpubsub.azure.com;AccessKey={KEY};rubbish", "key=value"),
        (f"Endpoint=https://a.example;Endpoint=https://b.example;AccessKey={KEY}", "twice"),
        ("Endpoint=https://demo.webpubsub.azure.com", "AccessKey"),
        (f"AccessKey={KEY}", "Endpoint"),
        (f"Endpoint=demo.webpubsub.azure.com;AccessKey={KEY}", "https://"),
        (f"Endpoint=https://demo.example/path;AccessKey={KEY}", "more than a host"),
        (f"Endpoint=https://user@demo.example;AccessKey={KEY}", "https://"),
        (f"Endpoint=https://demo.example;Port=many;AccessKey={KEY}", "cannot be parsed"),
        (f"Endpoint=http://demo.example;AccessKey={KEY}", "http"),
        (f"Endpoint=http://169.254.169.254;AccessKey={KEY}", "http"),
    ],
)
def test_bad_connection_strings(text: str, problem: str) -> None:
    """The problem says what is wrong, and nothing of the value."""
    found = problems({**KEY_MODE, "WebPubSubConnectionString": text})
    assert problem in found["WebPubSubConnectionString"]
    assert "demo" not in found["WebPubSubConnectionString"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("WebPubSubHub", ""),
        ("WebPubSubHub", "my-hub"),
        ("WebPubSubHub", "1st"),
        ("WebPubSubHub", "h" * 129),
        ("USHER_AUTH", "yes"),
        ("USHER_DEFAULT_GROUP", "   "),
        ("USHER_DEFAULT_GROUP", "g" * 1025),
        ("USHER_SINGLE_GROUP", "1"),
        ("USHER_ANNOUNCEMENT_FORMAT", "xml"),
        ("USHER_TOKEN_MINUTES", "0"),
        ("USHER_TOKEN_MINUTES", "-5"),
        ("USHER_TOKEN_MINUTES", "1.5"),
        ("USHER_JOIN_TEXT", "{userId"),
        ("USHER_JOIN_TEXT", "{connectionId} joined"),
        ("USHER_JOIN_TEXT", "{userId.__class__}"),
        ("USHER_LEAVE_TEXT", "{} left"),
        ("USHER_LEAVE_TEXT", "{userId:>999999999}"),
        ("USHER_LEAVE_TEXT", "{userId!r}"),
    ],
)
def test_bad_values_are_named(key: str, value: str) -> None:
    """Each wrong value is a problem of its own key."""
    assert list(problems({**KEY_MODE, key: value})) == [key]


def test_every_wrong_key_is_named_at_once() -> None:
    """One look at the log is enough."""
    wrong = {"USHER_AUTH": "x", "USHER_TOKEN_MINUTES": "x", "USHER_JOIN_TEXT": "{x}"}
    expected = {*wrong, "WebPubSubConnectionString", "WebPubSubHub"}
    assert set(problems(wrong)) == expected


EASY_AUTH = KEY_MODE | {"USHER_AUTH": "easyauth"}
OIDC = {"USHER_OIDC_ISSUER": "https://login.example/tenant", "USHER_OIDC_AUDIENCE": "usher"}


@pytest.mark.parametrize("mode", ["easyauth", "key", "anonymous"])
@pytest.mark.parametrize("marker", AZURE_MARKERS)
def test_modes_for_azure(mode: str, marker: str) -> None:
    """Every other mode is for there."""
    assert Settings.from_environ({**KEY_MODE, "USHER_AUTH": mode, marker: "x"}).mode.name == mode


def test_oidc_mode() -> None:
    """It needs its provider and its audience, and keeps the issuer as it is written."""
    settings = Settings.from_environ(KEY_MODE | OIDC | {"USHER_AUTH": "oidc"})
    assert settings.oidc_issuer == "https://login.example/tenant"
    assert settings.oidc_audience == "usher"
    assert set(problems(KEY_MODE | {"USHER_AUTH": "oidc"})) == set(OIDC)


@pytest.mark.parametrize(
    "issuer",
    ["login.example", "http://login.example", "ftp://login.example", "https://", "https://a?b"],
)
def test_bad_issuers(issuer: str) -> None:
    """Keys must come over https, from a URL without a query."""
    wrong = KEY_MODE | OIDC | {"USHER_AUTH": "oidc", "USHER_OIDC_ISSUER": issuer}
    assert list(problems(wrong)) == ["USHER_OIDC_ISSUER"]


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        ({"WEBSITE_AUTH_ENABLED": "True"}, True),
        ({"WEBSITE_AUTH_ENABLED": "False"}, False),
    ],
)
def test_app_service_authentication_is_what_the_platform_says(
    environ: dict[str, str], on: bool
) -> None:
    """Only its own word makes the principal's headers count."""
    assert Settings.from_environ(EASY_AUTH | environ).mode.has_platform_auth is on


def test_allowed_origins() -> None:
    """A list, in any case; none means none."""
    assert Settings.from_environ(KEY_MODE).allowed_origins == frozenset()
    text = "https://A.example, http://localhost:3000 ,"
    found = Settings.from_environ(KEY_MODE | {"USHER_ALLOWED_ORIGINS": text}).allowed_origins
    assert found == {"https://a.example", "http://localhost:3000"}


@pytest.mark.parametrize("text", ["*", "a.example", "https://a.example/", "https://*.a.example"])
def test_bad_origins(text: str) -> None:
    """Named origins only, never all."""
    assert list(problems(KEY_MODE | {"USHER_ALLOWED_ORIGINS": text})) == ["USHER_ALLOWED_ORIGINS"]


def test_the_user_claim() -> None:
    """None means the usual one of the mode."""
    assert Settings.from_environ(EASY_AUTH).mode.user_claim is None
    assert (
        Settings.from_environ(EASY_AUTH | {"USHER_USER_CLAIM": "email"}).mode.user_claim == "email"
    )


@pytest.mark.parametrize("marker", AZURE_MARKERS)
def test_local_mode_is_refused_in_azure(marker: str) -> None:
    """A mode that believes every caller must not be left on by mistake."""
    found = problems({**KEY_MODE, "USHER_AUTH": "local", marker: "x"})
    assert list(found) == ["USHER_AUTH"]


def test_the_sample_has_every_setting() -> None:
    """Each key that the app reads, and no other; the platform's own are not for people to set."""
    root = Path(settings_module.__file__).parent.parent
    sample = json.loads((root / "local.settings.sample.json").read_text("utf-8"))["Values"]
    modules = (settings_module, modes)
    source = "".join(Path(str(module.__file__)).read_text("utf-8") for module in modules)
    keys = set(re.findall(r'"(USHER_[A-Z_]+|WebPubSub[A-Za-z]+)"', source))
    assert keys == {key for key in sample if key.startswith(("USHER_", "WebPubSub"))}


def test_secrets_are_in_no_repr_and_no_error() -> None:
    """Neither of good settings nor of a connection string that cannot be read."""
    assert KEY not in repr(Settings.from_environ(KEY_MODE))
    broken = {**KEY_MODE, "WebPubSubConnectionString": f"Endpoint;AccessKey={KEY}"}
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(broken)
    assert KEY not in str(caught.value) + repr(caught.value) + str(caught.value.problems)
    assert caught.value.__cause__ is None
