"""The context of one examination: the target, calls to it, and what the checks have found out."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from localdev.addresses import LOCAL_HOSTS
from localdev.doctor.calls import Answer, call
from localdev.doctor.fixes import Fixes
from localdev.doctor.target import Target

DEFAULT_HUB = "chat"  # as in local.settings.sample.json
DEFAULT_GROUP = "lobby"
APP, SERVICE, ISSUER = "the app", "the service", "the token's issuer"  # owners of clocks
NO_ANSWER = Answer(0, {}, "")


def new_user_id() -> str:
    """Return a user id that is unique and that members of the group can recognise."""
    return f"doctor-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True)
class Token:
    """The answer of negotiate. `issued_at` is in seconds of the issuer's clock.

    `visit` is the id that the app's log records of this client have; older apps have none.
    """

    url: str = field(repr=False)
    base_url: str
    hub: str
    user_id: str
    groups: tuple[str, ...]
    issued_at: int | None
    visit: str | None = None


@dataclass(slots=True)
class Context:
    """What is known so far; each check adds what it finds out.

    `self_check` is the app's report about the settings of this folder, empty for a deployment.
    `self_check_failure` says why there is no report although the app runs here.
    `environment` names the settings that the environment sets differently than local.settings.json.
    `issuer` is the identity provider of an app on this machine in `oidc` mode.
    `origins` are the origins of pages that must be allowed to use the app.
    `clock_offsets` are seconds ahead of this machine's clock, by the clock's owner.
    `connection_state` is the `ce-connectionState` that `connect` returned: Web PubSub sends it with
    the later events of the connection.
    `handler_remarks` describe settings of the event handler that may be wrong or intended; they
    explain a journey that fails. `allows_anonymous` is True if the hub is seen to admit clients
    without a token. `trace` is the trace id of all calls to the app, which becomes their visit.
    """

    target: Target
    session: aiohttp.ClientSession = field(repr=False)
    self_check: Mapping[str, Any] = field(default_factory=dict, repr=False)
    self_check_failure: str = ""
    access_key: str | None = field(default=None, repr=False)
    origins: tuple[str, ...] = ()
    environment: frozenset[str] = frozenset()
    issuer: str | None = None
    user_id: str = field(default_factory=new_user_id)
    clock_offsets: dict[str, float] = field(default_factory=dict)
    health: Answer = NO_ANSWER
    mode: str | None = None
    token: Token | None = None
    token_received_at: float | None = None
    requires_key: bool = False
    connection_state: str | None = None
    sends_connect: bool | None = None
    handler_remarks: list[str] = field(default_factory=list)
    allows_anonymous: bool = False
    trace: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def hub(self) -> str:
        """The hub: by --hub, by negotiate, by the settings of this folder, or the sample's."""
        known = self.token.hub if self.token else self.self_check.get("hub")
        return self.target.hub or known or DEFAULT_HUB

    @property
    def service(self) -> str | None:
        """The endpoint of Web PubSub; None if unknown."""
        if self.token:
            parts = urlsplit(self.token.base_url)
            return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"
        if self.target.web_pubsub:
            return f"https://{self.target.web_pubsub}.webpubsub.azure.com"
        return self.self_check.get("service")

    @property
    def service_host(self) -> str | None:
        """The host name of Web PubSub, which it sends in `WebHook-Request-Origin`."""
        return urlsplit(self.service).hostname if self.service else None

    @property
    def uses_emulator(self) -> bool:
        """Whether the service is an emulator on this machine."""
        return self.service_host in LOCAL_HOSTS

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that the test clients join."""
        return self.token.groups if self.token else (self.target.group or DEFAULT_GROUP,)

    @property
    def fixes(self) -> Fixes:
        """Fixes with all names that are known by now."""
        return Fixes(self.target, self.hub, self.service_host, self.environment)

    async def ask_app(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Call the app. Raises UnreachableError."""
        url = self.target.app + path
        # W3C Trace Context: version, trace id, parent id, flags.
        traced = {"traceparent": f"00-{self.trace}-{secrets.token_hex(8)}-01", **(headers or {})}
        answer = await call(self.session, method, url, headers=traced, body=body)
        self._note_clock(APP, answer)
        return answer

    async def ask_service(self, method: str, path: str) -> Answer:
        """Call Web PubSub without credentials. Raises UnreachableError."""
        answer = await call(self.session, method, f"{self.service}{path}")
        self._note_clock(SERVICE, answer)
        return answer

    def _note_clock(self, whose: str, answer: Answer) -> None:
        if answer.ahead is not None:
            self.clock_offsets[whose] = answer.ahead
