"""The options of `dev.py doctor`, and the target that they describe.

Secrets come from environment variables and are never shown.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from urllib.parse import urlsplit

from localdev.addresses import LOCAL_HOSTS, is_protected

LOCAL_APP = "http://127.0.0.1:7071"  # where `dev.py up` and `func start` listen
LOCAL_WAIT_SECONDS = 8.0  # a summary of several announcements arrives within 5 s
WAIT_SECONDS = 15.0  # includes a cold start

DESCRIPTION = (
    "Use a running app as Web PubSub and a browser would, and report each problem: what was seen, "
    "what it means and how to fix it. Without options, the app is the one that `dev.py up` runs. "
    "Two test clients join a group, so its members receive announcements about them."
)
EPILOG = (
    "Exit status: 0 if nothing failed (there may be warnings), 1 if a check failed, 2 if the "
    "examination could not start. Keys and tokens are read from environment variables and never "
    "shown."
)


class DoctorError(Exception):
    """The examination cannot start; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """The app to examine, and what the options say about it.

    `wait_seconds` is how long to wait for each announcement.
    """

    app: str
    wait_seconds: float
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
        """The URL to which Web PubSub sends events, without the key."""
        return f"{self.app}/runtime/webhooks/webpubsub"


def add_doctor_options(parser: argparse.ArgumentParser) -> None:
    """Add all options; none takes a secret itself."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    text = "address of the app, such as https://NAME.azurewebsites.net; %(default)s by default"
    parser.add_argument("--app", default=LOCAL_APP, metavar="URL", help=text)
    _add_secret_options(parser)
    text = "origin of a web page that must be allowed to use the app; can be repeated"
    parser.add_argument("--origin", action="append", default=[], metavar="ORIGIN", help=text)
    text = "group to join; the app's default group by default"
    parser.add_argument("--group", help=text)
    text = "hub of the app; only needed if negotiate gives no token"
    parser.add_argument("--hub", help=text)
    text = (
        "read the app settings (with --web-pubsub, the event handler, too) with `az`, if it is "
        "installed and logged in"
    )
    parser.add_argument("--resource-group", metavar="NAME", help=text)
    text = "name of the Web PubSub resource; also needed if negotiate gives no token"
    parser.add_argument("--web-pubsub", metavar="NAME", help=text)
    text = (
        f"how long to wait for an announcement; by default {LOCAL_WAIT_SECONDS:g} for an app on "
        f"this machine, {WAIT_SECONDS:g} for others"
    )
    parser.add_argument("--patience", type=float, metavar="SECONDS", help=text)
    text = "print the findings as JSON at the end"
    parser.add_argument("--json", action="store_true", help=text)


def _add_secret_options(parser: argparse.ArgumentParser) -> None:
    for option, secret in (
        ("--key", "the system key webpubsub_extension, to call the webhook"),
        ("--function-key", "a function key, for `key` mode"),
        ("--bearer", "a bearer token of the identity provider, for `oidc` mode"),
        ("--access-key", "the access key of Web PubSub, to sign events"),
    ):
        text = f"environment variable with {secret}"
        parser.add_argument(f"{option}-from-env", metavar="VARIABLE", help=text)


def read_target(options: argparse.Namespace, environ: Mapping[str, str]) -> Target:
    """Return the target. Raises DoctorError for a bad address and for a variable that is unset."""
    app = _read_app(options.app)
    if options.patience is not None and not 0 < options.patience < inf:
        raise DoctorError("--patience must be a number of seconds above 0")
    is_local = urlsplit(app).hostname in LOCAL_HOSTS
    secrets = {
        "system_key": options.key_from_env,
        "function_key": options.function_key_from_env,
        "bearer": options.bearer_from_env,
        "access_key": options.access_key_from_env,
    }
    return Target(
        app,
        options.patience or (LOCAL_WAIT_SECONDS if is_local else WAIT_SECONDS),
        origins=tuple(_read_origin(origin) for origin in options.origin),
        group=options.group,
        hub=options.hub,
        resource_group=options.resource_group,
        web_pubsub=options.web_pubsub,
        **{field: _read_variable(name, environ) for field, name in secrets.items() if name},
    )


def _read_app(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise DoctorError("--app must have the form https://NAME.azurewebsites.net")
    if not is_protected(url):
        raise DoctorError("--app uses http, which would send keys unencrypted. Use https.")
    return f"{parts.scheme}://{parts.netloc}"


def _read_origin(text: str) -> str:
    origin = text.rstrip("/")
    parts = urlsplit(origin)
    # `*` stands for the pages of every origin, as in CORS.
    is_page = parts.scheme in ("http", "https") and parts.hostname
    if origin != "*" and not (is_page and origin == f"{parts.scheme}://{parts.netloc}"):
        raise DoctorError(f"--origin {text} must have the form https://www.example.com")
    return origin


def _read_variable(name: str, environ: Mapping[str, str]) -> str:
    if not environ.get(name):
        raise DoctorError(f"The variable {name} is not set.")
    return environ[name].strip()
