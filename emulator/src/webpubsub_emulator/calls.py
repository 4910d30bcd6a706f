"""One REST call, as the functions in the modules rest_*.py get it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from aiohttp import web

from webpubsub_emulator.effects import Effect
from webpubsub_emulator.hub import Hub
from webpubsub_emulator.messages import MESSAGE_LIMIT
from webpubsub_emulator.parameters import Parameters
from webpubsub_emulator.problems import bad_request
from webpubsub_emulator.service import Service


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose names, parameters and token were checked."""

    request: web.Request
    names: dict[str, str]
    parameters: Parameters
    service: Service
    access_key: str = field(repr=False)

    @property
    def hub(self) -> Hub:
        """The hub in the path. Raises KeyError for an operation without a hub."""
        return self.service.hub(self.names["hub"])

    def run(self, effects: Sequence[Effect]) -> None:
        """Carry out the effects that the hub returned."""
        self.service.run(effects)

    async def read_body(self) -> bytes:
        """Return the body. Raises 400 if Content-Length is missing or over MESSAGE_LIMIT."""
        length = self.request.content_length
        if length is None or length > MESSAGE_LIMIT:
            raise bad_request("Invalid Content-Length header.")
        return await self.request.read()


Handler: TypeAlias = Callable[[Call], Awaitable[web.Response]]
