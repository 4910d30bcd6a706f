"""Reads host.json and local.settings.json, and looks up app settings.

The meaning of a setting (a connection, a hub) is decided where the setting is used.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localdev.host.errors import HostError

LOCAL_SETTINGS = "local.settings.json"


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The contents of local.settings.json.

    ``values``: app settings by name (not in the repr, because they contain keys);
    ``cors_origins``: origins of pages that may read responses, ``*`` for all;
    ``cors_credentials``: whether browsers may send cookies.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    cors_origins: tuple[str, ...] = ()
    cors_credentials: bool = False


def apply_local_settings(app_dir: Path) -> LocalSettings:
    """Add the file's values to the environment; existing variables win.

    A missing file is no error; an invalid file raises HostError with its name.
    """
    # Differs from Azure: Linux plans set this variable, so the app takes it as a sign of Azure.
    # Other container platforms set it, too, so remove it here.
    os.environ.pop("CONTAINER_NAME", None)
    settings = read_local_settings(app_dir)
    for name, value in settings.values.items():
        os.environ.setdefault(name, value)
    return settings


def read_local_settings(app_dir: Path) -> LocalSettings:
    """Read the app's local.settings.json; raises HostError with the file's name."""
    document = _read_object(app_dir / LOCAL_SETTINGS)
    if document.get("IsEncrypted"):
        raise HostError(f"{LOCAL_SETTINGS} is encrypted; run `func settings decrypt` first")
    host = _object_at(document, "Host", LOCAL_SETTINGS)
    values = _texts(_object_at(document, "Values", LOCAL_SETTINGS))
    return LocalSettings(values, *_read_cors(host))


def read_route_prefix(app_dir: Path) -> str:
    """Read ``extensions.http.routePrefix`` of host.json, ``api`` by default."""
    extensions = _object_at(_read_object(app_dir / "host.json"), "extensions", "host.json")
    return str(_object_at(extensions, "http", "host.json").get("routePrefix", "api"))


def find_setting(environ: Mapping[str, str], name: str) -> str | None:
    """Return an app setting by name, or None.

    Names are case-insensitive and ``:`` equals ``__``, as in the configuration system of .NET.
    """
    wanted = _section_key(name)
    return next((value for key, value in environ.items() if _section_key(key) == wanted), None)


def resolve_settings(text: str, environ: Mapping[str, str]) -> str:
    """Replace every ``%NAME%`` by that setting; raises HostError with the name of a missing one.

    Source: azure-webjobs-sdk NameResolverExtensions.cs (ResolveWholeString).
    """

    def value_of(match: re.Match[str]) -> str:
        value = find_setting(environ, match[1])
        if value is None:
            raise HostError(f"'%{match[1]}%' does not resolve to an app setting")
        return value

    return re.sub("%([^%]+)%", value_of, text)


def _read_cors(host: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    # As in Core Tools: only commas separate origins, so one after a space never matches, and
    # neither does one with a slash at its end. Only the case of the setting is ignored.
    origins = tuple(filter(None, str(host.get("CORS") or "").lower().split(",")))
    credentials = str(host.get("CORSCredentials")).lower() == "true"
    if credentials and origins == ("*",):
        raise HostError(f"{LOCAL_SETTINGS}: CORSCredentials does not go together with CORS `*`")
    return origins, credentials


def _section_key(name: str) -> str:
    return name.replace("__", ":").lower()


def _read_object(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:  # such as a folder of that name
        raise HostError(f"{path.name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        # "from None", because the JSON error has the text of the file, including its keys.
        raise HostError(f"{path.name} is not valid JSON: {_position(error)}") from None
    if not isinstance(document, dict):
        raise HostError(f"{path.name} must hold a JSON object")
    return document


def _position(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    return "it is not UTF-8"


def _object_at(document: Mapping[str, Any], key: str, file_name: str) -> dict[str, Any]:
    value = document.get(key) or {}
    if not isinstance(value, dict):
        raise HostError(f'{file_name}: "{key}" must be an object')
    return value


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    for name, value in values.items():
        if not isinstance(value, str):
            raise HostError(f'{LOCAL_SETTINGS}: the value of "{name}" must be a string')
    return dict(values)
