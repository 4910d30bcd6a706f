"""settings.py: the two settings files, and the lookup of app settings."""

import json
import os
from pathlib import Path

import pytest

from localdev.host.errors import HostError
from localdev.host.settings import (
    LocalSettings,
    apply_local_settings,
    find_setting,
    read_local_settings,
    read_route_prefix,
    resolve_settings,
)


def write_settings(folder: Path, document: object) -> None:
    """Write local.settings.json."""
    (folder / "local.settings.json").write_text(json.dumps(document))


def test_the_environment_overrides_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the file is used only if the environment has none."""
    monkeypatch.setattr(os, "environ", {"SampleKept": "environment"})
    write_settings(tmp_path, {"Values": {"SampleKept": "file", "SampleNew": "file"}})
    apply_local_settings(tmp_path)
    assert (os.environ["SampleKept"], os.environ["SampleNew"]) == ("environment", "file")


def test_missing_file_is_fine(tmp_path: Path) -> None:
    """Without local.settings.json there are no values and no CORS."""
    assert apply_local_settings(tmp_path) == LocalSettings()


def test_cors_is_read(tmp_path: Path) -> None:
    """As in Core Tools, only commas separate origins; spaces and slashes stay, so never match."""
    origins = "HTTP://a.example/,, http://b.example"
    for credentials, expected in ((True, True), ("true", True), ("false", False), (None, False)):
        write_settings(tmp_path, {"Host": {"CORS": origins, "CORSCredentials": credentials}})
        settings = read_local_settings(tmp_path)
        assert settings.cors_origins == ("http://a.example/", " http://b.example")
        assert settings.cors_credentials is expected


def test_cors_for_all_with_credentials(tmp_path: Path) -> None:
    """It stops the start, as in Core Tools; browsers would refuse it, too."""
    write_settings(tmp_path, {"Host": {"CORS": "*", "CORSCredentials": True}})
    with pytest.raises(HostError, match="CORSCredentials"):
        read_local_settings(tmp_path)


def test_values_are_not_in_the_repr(tmp_path: Path) -> None:
    """The repr of the settings has no value."""
    write_settings(tmp_path, {"Values": {"Key": "secret-value"}})
    assert "secret-value" not in repr(read_local_settings(tmp_path))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"Values": {"Key": "secret-value",}', "local.settings.json is not valid JSON"),
        ("[]", "local.settings.json must hold a JSON object"),
        ('{"Values": ["secret-value"]}', 'local.settings.json: "Values" must be an object'),
        ('{"Values": {"Key": 5}}', 'local.settings.json: the value of "Key" must be a string'),
        ('{"IsEncrypted": true}', "local.settings.json is encrypted"),
    ],
)
def test_malformed_settings(tmp_path: Path, text: str, fault: str) -> None:
    """Invalid settings raise an error that names the file but no value."""
    (tmp_path / "local.settings.json").write_text(text)
    with pytest.raises(HostError, match=fault) as caught:
        read_local_settings(tmp_path)
    assert "secret-value" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_settings_that_are_not_utf8(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 raise an error that names the file."""
    (tmp_path / "local.settings.json").write_bytes(b'{"Values": {"a": "\xff"}}')
    with pytest.raises(HostError, match="it is not UTF-8"):
        read_local_settings(tmp_path)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("{}", "api"),
        ('{"extensions": {"http": {"routePrefix": ""}}}', ""),
        ('{"extensions": {"http": {"routePrefix": "v1/things/"}}}', "v1/things/"),
    ],
)
def test_route_prefix(tmp_path: Path, text: str, prefix: str) -> None:
    """The prefix is from host.json and may be empty; the default is `api`."""
    (tmp_path / "host.json").write_text(text)
    assert read_route_prefix(tmp_path) == prefix


def test_setting_names_ignore_case_and_separator() -> None:
    """A setting is found in any case, with `:` or with `__`."""
    environ = {"WebPubSub:serviceUri": "x"}
    assert find_setting(environ, "webpubsub__SERVICEURI") == "x"
    assert find_setting(environ, "WebPubSub") is None


def test_settings_in_percent_signs_are_resolved() -> None:
    """`%NAME%` is replaced anywhere; other text stays."""
    assert resolve_settings("a-%Hub%-b", {"Hub": "chat"}) == "a-chat-b"


def test_missing_setting_is_named() -> None:
    """A name that has no setting is an error that names it."""
    with pytest.raises(HostError, match="%Hub%"):
        resolve_settings("%Hub%", {})
