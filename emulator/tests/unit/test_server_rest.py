"""Tests of the data plane over sockets, where Azure's answers are unknown or differ.

Azure's known behaviour is tested in contract.
"""

import time
from email.utils import parsedate_to_datetime

import pytest
from yarl import URL

from unit.clients import Clients
from unit.test_server import bearer
from webpubsub_emulator.server import Emulator

HUB = "/api/hubs/chat"
BAD, MISSING = "Error.BadRequest", "Error.NotImplemented"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/health", "HEAD"),
        ("/api/hubs/chat/:send", "POST"),
        ("/api/hubs/chat/groups/g/connections/c", "DELETE, PUT"),
    ],
)
async def test_other_methods_are_not_allowed(
    emulator: Emulator, clients: Clients, path: str, methods: str
) -> None:
    """A known path with another method is a 405 that names the methods of the path."""
    url = URL(emulator.endpoint + path, encoded=True)
    async with clients.session.patch(url, headers=bearer()) as response:
        assert (response.status, response.headers["Allow"]) == (405, methods)
        assert response.headers["x-ms-error-code"] == "Error.MethodNotAllowed"


async def test_the_date_is_true(emulator: Emulator, clients: Clients) -> None:
    """It is between the second of the request and the response, also for an unknown path."""
    for path in (f"{HUB}/groups/g/connections", "/api/nothing"):
        before = int(time.time())
        async with clients.session.get(emulator.endpoint + path, headers=bearer()) as response:
            date = parsedate_to_datetime(response.headers["Date"])
        assert before <= date.timestamp() <= time.time()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "code"),
    [
        ("GET", "/api/nothing", {}, None, 404, "Error.NotFound"),
        ("POST", f"{HUB}/:generateToken?clientType=mqtt", {}, None, 501, MISSING),
        ("POST", f"{HUB}/:send", {"Content-Type": "application/x-protobuf"}, b"x", 415,
         "Error.UnsupportedMediaType"),
        ("POST", f"{HUB}/:addToGroups", {"Content-Type": "application/json"}, b'{"groups":[" "]}',
         400, BAD),
        ("HEAD", f"{HUB}/users/u", {"Authorization": ""}, None, 401, "Error.Unauthorized"),
        ("HEAD", f"{HUB}/users/%20", {}, None, 400, BAD),
    ],
)  # fmt: skip
async def test_every_error_has_a_code(
    emulator: Emulator,
    clients: Clients,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None,
    status: int,
    code: str,
) -> None:
    """Also where Azure's code is unknown; what the emulator lacks is a 501."""
    url = URL(emulator.endpoint + path, encoded=True)
    async with clients.session.request(
        method, url, headers=bearer() | headers, data=body
    ) as response:
        assert (response.status, response.headers["x-ms-error-code"]) == (status, code)


async def test_line_breaks_in_a_path(emulator: Emulator, clients: Clients) -> None:
    """They are part of a name like any other character."""
    url = URL(f"{emulator.endpoint}{HUB}/groups/a%0Ab", encoded=True)
    async with clients.session.head(url, headers=bearer()) as response:
        code = "Warning.Group.NotExisted"
        assert (response.status, response.headers["x-ms-error-code"]) == (404, code)


async def test_no_token_is_answered_without_a_body(emulator: Emulator, clients: Clients) -> None:
    """The body of Azure's 401 is not known."""
    async with clients.session.post(f"{emulator.endpoint}{HUB}/:send") as response:
        assert (response.status, await response.read()) == (401, b"")


# aiohttp's client warns of bodies over 1 MiB.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("operation", [":send", ":addToGroups"])
async def test_large_bodies(emulator: Emulator, clients: Clients, operation: str) -> None:
    """More than 1 MiB is a 400, as in Microsoft's emulator."""
    headers = bearer() | {"Content-Type": "application/json"}
    url, body = f"{emulator.endpoint}{HUB}/{operation}", b" " * (2**20 + 1)
    async with clients.session.post(url, headers=headers, data=body) as response:
        assert (response.status, (await response.json())["message"]) == (
            400,
            "Invalid Content-Length header.",
        )
