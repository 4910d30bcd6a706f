"""The one who is examined: the target, the calls to it, and what the checks have learned so far."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from localdev.doctor.calls import Answer, call
from localdev.doctor.remedies import Remedies
from localdev.doctor.target import LOCAL_HOSTS, Target

DEFAULT_HUB = "chat"
NO_ANSWER = Answer(0, {}, "")


def new_user_id() -> str:
    """A name that nobody else has, and that tells who comes there."""
    return f"doctor-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class Token:
    """What negotiate gave."""

    url: str = field(repr=False)
    base_url: str
    hub: str
    user_id: str
    groups: tuple[str, ...]
    issued_at: int | None


@dataclass
class Patient:
    """`facts` are the settings of an app on this machine, by its own word; else empty. `origins`
    are those that pages may come from.

    `ahead` has the clocks that were seen, in seconds before this machine's. `state` is what
    `connect` answered for the later events of its connection; `remarks` are oddities of the event
    handler, for the case that the journey fails.
    """

    target: Target
    session: aiohttp.ClientSession = field(repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict)
    access_key: str | None = field(default=None, repr=False)
    origins: tuple[str, ...] = ()
    user_id: str = field(default_factory=new_user_id)
    ahead: dict[str, float] = field(default_factory=dict)
    health: Answer = NO_ANSWER
    mode: str | None = None
    token: Token | None = None
    asked_at: float | None = None
    asks_for_key: bool = False
    state: str | None = None
    sends_connect: bool | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def hub(self) -> str:
        """By the app's word, or by the operator's, or as the sample has it."""
        told = self.token.hub if self.token else self.facts.get("hub")
        return self.target.hub or told or DEFAULT_HUB

    @property
    def service(self) -> str | None:
        """The service's endpoint, if anybody told it."""
        if self.token:
            parts = urlsplit(self.token.base_url)
            return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"
        if self.target.web_pubsub:
            return f"https://{self.target.web_pubsub}.webpubsub.azure.com"
        return self.facts.get("service")

    @property
    def service_host(self) -> str | None:
        """What `WebHook-Request-Origin` names."""
        return urlsplit(self.service).hostname if self.service else None

    @property
    def has_emulator(self) -> bool:
        """Whether the service is a stand-in on this machine."""
        return self.service_host in LOCAL_HOSTS

    @property
    def groups(self) -> tuple[str, ...]:
        """Those to enter."""
        return self.token.groups if self.token else (self.target.group or "lobby",)

    @property
    def remedies(self) -> Remedies:
        """Fixes with all names that are known by now."""
        return Remedies(self.target, self.hub, self.service_host)

    async def ask_app(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """A call to the app. Raises UnreachableError."""
        answer = await call(
            self.session, method, self.target.app + path, headers=headers, body=body
        )
        self._note_clock("the app", answer)
        return answer

    async def ask_service(self, method: str, path: str) -> Answer:
        """A call to the service, without credentials. Raises UnreachableError."""
        answer = await call(self.session, method, f"{self.service}{path}")
        self._note_clock("the service", answer)
        return answer

    def _note_clock(self, whose: str, answer: Answer) -> None:
        if answer.ahead is not None:
            self.ahead[whose] = answer.ahead
