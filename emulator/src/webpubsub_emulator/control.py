"""Two extensions that Azure does not have, over aiohttp: /inspection and the control endpoint.

Neither has authentication; both refuse web pages. /inspection only reads and is always there. The
control endpoint also has faults, dropped connections and a restart, and is off by default.
"""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from aiohttp import web

from webpubsub_emulator.faults import FaultError, Faults, parse_fault
from webpubsub_emulator.handlers import EventHandlers
from webpubsub_emulator.inspection import (
    describe_faults,
    describe_handlers,
    describe_hub,
    describe_journal,
)
from webpubsub_emulator.journal import Journal
from webpubsub_emulator.service import Service

_LOCAL_HOSTS = ("127.0.0.1", "localhost")
_BODY = 'The body must be a JSON array of faults, or {"seed": 0, "faults": [...]}.'


class ControlError(Exception):
    """A call that is answered with a problem (RFC 9457)."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


def add_inspection(router: web.UrlDispatcher, service: Service) -> None:
    """Answer GET /inspection with the hubs, their groups and their connections."""

    async def inspect(_request: web.Request) -> web.Response:
        return web.json_response({"hubs": _describe_hubs(service)})

    # Differs from Azure, which has no such path: developers need the ids of open connections.
    router.add_get("/inspection", _answers(inspect), allow_head=False)


class Control:
    """Answers calls below /control. Every caller that reaches the port may use all of them."""

    def __init__(
        self, service: Service, handlers: EventHandlers, faults: Faults, journal: Journal
    ) -> None:
        self._service = service
        self._handlers = handlers
        self._faults = faults
        self._journal = journal

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Answer everything below /control here."""
        router.add_get("/control/state", _answers(self._state), allow_head=False)
        router.add_get("/control/faults", _answers(self._get_faults), allow_head=False)
        router.add_put("/control/faults", _answers(self._put_faults))
        router.add_delete("/control/faults", _answers(self._delete_faults))
        router.add_post("/control/connections/{id}/drop", _answers(self._drop))
        router.add_post("/control/restart", _answers(self._restart))
        for path in ("/control", "/control/{rest:.*}"):
            router.add_route("*", path, _answers(_unknown))

    async def _state(self, _request: web.Request) -> web.Response:
        view = {
            "hubs": _describe_hubs(self._service),
            "eventHandlers": describe_handlers(self._handlers.settings()),
            **describe_faults(self._faults),
            **describe_journal(self._journal),
        }
        return web.json_response(view)

    async def _get_faults(self, _request: web.Request) -> web.Response:
        return web.json_response(describe_faults(self._faults))

    async def _put_faults(self, request: web.Request) -> web.Response:
        texts, seed = _read_faults(await request.read(), self._faults.seed)
        try:
            faults = [parse_fault(text) for text in texts]
        except FaultError as error:
            raise ControlError(HTTPStatus.BAD_REQUEST, str(error)) from None
        self._faults.replace(faults, seed)
        return await self._get_faults(request)

    async def _delete_faults(self, _request: web.Request) -> web.Response:
        self._faults.replace((), self._faults.seed)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _drop(self, request: web.Request) -> web.Response:
        if not self._service.drop(request.match_info["id"]):
            raise ControlError(HTTPStatus.NOT_FOUND, "No connection of that id has a socket.")
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _restart(self, _request: web.Request) -> web.Response:
        self._service.restart()
        return web.Response(status=HTTPStatus.NO_CONTENT)


def _describe_hubs(service: Service) -> dict[str, Any]:
    return {hub.name: describe_hub(hub) for hub in service.hubs()}


async def _unknown(request: web.Request) -> web.Response:
    text = f"{request.method} {request.path} is not a call of the control endpoint."
    raise ControlError(HTTPStatus.NOT_FOUND, text)


def _read_faults(body: bytes, seed: int) -> tuple[list[str], int]:
    """Return the texts of the faults, and the seed in the body or else the present one."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise ControlError(HTTPStatus.BAD_REQUEST, _BODY) from None
    if isinstance(value, dict) and value.keys() <= {"seed", "faults"}:
        seed, value = value.get("seed", seed), value.get("faults")
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ControlError(HTTPStatus.BAD_REQUEST, _BODY)
    if type(seed) is not int:
        raise ControlError(HTTPStatus.BAD_REQUEST, "The seed must be a whole number.")
    return value, seed


def _answers(handler: _Handler) -> _Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            _refuse_pages(request)
            return await handler(request)
        except ControlError as error:
            return _problem(error)
        except web.HTTPRequestEntityTooLarge as error:
            return _problem(ControlError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.text or ""))

    return answer


def _refuse_pages(request: web.Request) -> None:
    # Any page in the developer's browser could send a request here. Browsers add Origin where
    # other origins are involved. A page whose host name was made to point to this machine (DNS
    # rebinding) sends none with GET, but names its own host.
    if "Origin" in request.headers or not _is_local(request.host):
        raise ControlError(HTTPStatus.FORBIDDEN, f"{request.path} is not for web pages.")


def _is_local(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in _LOCAL_HOSTS
    except ValueError:
        return False


def _problem(error: ControlError) -> web.Response:
    problem = {
        "type": "about:blank",
        "title": error.status.phrase,
        "status": error.status,
        "detail": error.detail,
    }
    return web.json_response(problem, status=error.status, content_type="application/problem+json")
