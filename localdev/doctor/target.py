"""What is examined, and the secrets for it, which come from variables and are never shown."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOCAL_APP = "http://127.0.0.1:7071"  # where `dev.py up` and `func start` listen
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
LOCAL_PATIENCE = 8.0  # what is gathered is told after 5 s at most
PATIENCE = 15.0  # a cold start included


class DoctorError(Exception):
    """The examination cannot begin; the text says why."""


@dataclass(frozen=True)
class Target:
    """An app and what is known about it beforehand. `patience` is in seconds."""

    app: str
    patience: float
    origins: tuple[str, ...] = ()
    group: str | None = None
    hub: str | None = None
    resource_group: str | None = None
    web_pubsub: str | None = None
    system_key: str | None = field(default=None, repr=False)
    function_key: str | None = field(default=None, repr=False)
    bearer: str | None = field(default=None, repr=False)
    access_key: str | None = field(default=None, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the app runs on this machine, with the settings of this folder."""
        return urlsplit(self.app).hostname in LOCAL_HOSTS

    @property
    def webhook(self) -> str:
        """Where the service sends its events; without the key."""
        return f"{self.app}/runtime/webhooks/webpubsub"


def read_target(options: argparse.Namespace, environ: Mapping[str, str]) -> Target:
    """Raises DoctorError for an address that will not do and for a variable that is not set."""
    app = _read_app(options.app)
    is_local = urlsplit(app).hostname in LOCAL_HOSTS
    keys = {
        "system_key": options.key_from_env,
        "function_key": options.function_key_from_env,
        "bearer": options.bearer_from_env,
        "access_key": options.access_key_from_env,
    }
    return Target(
        app,
        options.patience or (LOCAL_PATIENCE if is_local else PATIENCE),
        origins=tuple(origin.rstrip("/") for origin in options.origin),
        group=options.group,
        hub=options.hub,
        resource_group=options.resource_group,
        web_pubsub=options.web_pubsub,
        **{field: _read_variable(name, environ) for field, name in keys.items() if name},
    )


def _read_app(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise DoctorError("--app must be of the form https://NAME.azurewebsites.net")
    if parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS:
        raise DoctorError("--app is http, over which no key may travel. Use https.")
    return f"{parts.scheme}://{parts.netloc}"


def _read_variable(name: str, environ: Mapping[str, str]) -> str:
    if not environ.get(name):
        raise DoctorError(f"The variable {name} is not set.")
    return environ[name].strip()
