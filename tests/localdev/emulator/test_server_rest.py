"""Tests of the data plane over sockets: each operation's answers, and the official clients."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.messaging.webpubsubservice import WebPubSubServiceClient as SyncServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from yarl import URL

from localdev.emulator.server import Emulator
from localdev.emulator.tokens import ACCESS_KEY
from tests.localdev.emulator.app import App
from tests.localdev.emulator.clients import Clients
from tests.localdev.emulator.test_server import bearer, client_url, closing, opened, receive

BAD, NO_TOKEN = "Error.BadRequest", "Error.Unauthorized"
ALL_VERSIONS = "2021-10-01, 2022-11-01, 2023-07-01, 2024-01-01, 2024-12-01"
JSON_BODY = {"Content-Type": "application/json"}
GROUPS = '{"groups":["g"]}'

# Method, path below the hub, body, success, path whose target is missing, its answer.
# {id} is a connection of user ann in group g.
OPERATIONS = [
    ("POST", "/:addToGroups", GROUPS, 200, None, 0, None),
    ("POST", "/:closeConnections", None, 204, None, 0, None),
    ("POST", "/:generateToken", None, 200, None, 0, None),
    ("POST", "/:removeFromGroups", GROUPS, 200, None, 0, None),
    ("POST", "/:send", "1", 202, None, 0, None),
    ("DELETE", "/connections/{id}", None, 204, "/connections/x", 204, None),
    ("HEAD", "/connections/{id}", None, 200, "/connections/x", 404,
     "Warning.Connection.NotExisted"),
    ("POST", "/connections/{id}/:send", "1", 202, "/connections/x/:send", 202, None),
    ("DELETE", "/connections/{id}/groups", None, 204, "/connections/x/groups", 204, None),
    ("HEAD", "/groups/g", None, 200, "/groups/G", 404, "Warning.Group.NotExisted"),
    ("POST", "/groups/g/:closeConnections", None, 204, "/groups/x/:closeConnections", 204, None),
    ("POST", "/groups/g/:send", "1", 202, "/groups/x/:send", 202, None),
    ("GET", "/groups/g/connections", None, 200, "/groups/x/connections", 200, None),
    ("DELETE", "/groups/g/connections/{id}", None, 204, "/groups/g/connections/x", 204, None),
    ("PUT", "/groups/g/connections/{id}", None, 200, "/groups/g/connections/x", 404,
     "Error.Connection.NotExisted"),
    ("DELETE", "/permissions/sendToGroup/connections/{id}?targetName=g", None, 204,
     "/permissions/sendToGroup/connections/x?targetName=g", 204, None),
    ("HEAD", "/permissions/SENDTOGROUP/connections/{id}?targetName=mine", None, 200,
     "/permissions/sendToGroup/connections/x?targetName=mine", 404, "Info.Connection.NotExisted"),
    ("PUT", "/permissions/joinLeaveGroup/connections/{id}?targetName=g", None, 200,
     "/permissions/joinLeaveGroup/connections/x?targetName=g", 404, "Info.Connection.NotExisted"),
    ("HEAD", "/users/ann", None, 200, "/users/Ann", 404, "Warning.User.NotExisted"),
    ("POST", "/users/ann/:closeConnections", None, 204, "/users/x/:closeConnections", 204, None),
    ("POST", "/users/ann/:send", "1", 202, "/users/x/:send", 202, None),
    ("DELETE", "/users/ann/groups", None, 204, "/users/x/groups", 204, None),
    ("DELETE", "/users/ann/groups/g", None, 204, "/users/x/groups/g", 204, None),
    ("PUT", "/users/ann/groups/g", None, 200, "/users/x/groups/g", 404,
     "Warning.User.NotExisted"),
]  # fmt: skip
WITH_DATA = ("/:generateToken", "/groups/g/connections")


@dataclass
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        """The error code, which every error has and nothing else."""
        code = self.headers.get("x-ms-error-code")
        assert (code is None) is (self.status < 400)
        return code


class Rest:
    """REST calls on hub chat, with every right."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self._emulator = emulator
        self._session = session

    async def call(
        self, method: str, path: str, body: str | bytes | None = None, **headers: str
    ) -> tuple[int, str | None, bytes]:
        """Status, error code and body of an answer."""
        answer = await self.answer(method, "/api/hubs/chat" + path, body, bearer() | headers)
        return answer.status, answer.code, answer.body

    async def answer(
        self, method: str, path: str, body: str | bytes | None, headers: dict[str, str]
    ) -> Answer:
        """The whole answer; a body without another type is JSON."""
        url = URL(self._emulator.endpoint + path, encoded=True)
        types = {} if body is None else JSON_BODY
        async with self._session.request(
            method, url, data=body, headers=types | headers
        ) as response:
            return Answer(response.status, response.headers, await response.read())


@pytest.fixture
def rest(emulator: Emulator, clients: Clients) -> Rest:
    """REST calls on the running emulator."""
    return Rest(emulator, clients.session)


@pytest.mark.parametrize(
    ("method", "path", "body", "success", "missing", "status", "code"), OPERATIONS
)
async def test_answers_of_each_operation(
    emulator: Emulator,
    clients: Clients,
    rest: Rest,
    method: str,
    path: str,
    body: str | None,
    success: int,
    missing: str | None,
    status: int,
    code: str | None,
) -> None:
    """The answer for a target that is there, for one that is not, and without a token."""
    role = "webpubsub.sendToGroup.mine"
    _, connection_id = await opened(emulator, clients, user_id="ann", groups=["g"], roles=[role])
    path = path.format(id=connection_id)
    if missing is not None:
        assert (await rest.call(method, missing, body))[:2] == (status, code)
    assert (await rest.answer(method, "/api/hubs/chat" + path, body, {})).status == 401
    # What is wrong with names and versions is found before the caller is asked.
    assert (await rest.answer(method, "/api/hubs/a-b" + path, body, {})).status == 400
    mark = "&" if "?" in path else "?"
    version = f"{path}{mark}api-version=2020-01-01"
    assert (await rest.answer(method, "/api/hubs/chat" + version, body, {})).status == 400
    response = await rest.answer(method, "/api/hubs/CHAT" + path, body, bearer())
    assert response.status == success
    assert (response.body == b"") is (path not in WITH_DATA)
    if method != "HEAD" and success != 204:
        assert response.headers["Content-Length"] == str(len(response.body))


async def test_every_operation_is_in_the_table(emulator: Emulator, rest: Rest) -> None:
    """The table above and health are all 25 operations of 2024-12-01; health asks for no token."""
    assert len(OPERATIONS) + 1 == 25
    response = await rest.answer("HEAD", "/api/health", None, {})
    assert (response.status, response.headers["api-supported-versions"]) == (200, ALL_VERSIONS)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/groups/%20/:send"),
        ("HEAD", "/groups/" + "x" * 1025),
        ("HEAD", "/connections/%20"),
        ("HEAD", "/users/%20"),
        ("POST", "/:send?filter=x"),
        ("POST", "/users/u/:send?messageTtlSeconds=301"),
        ("PUT", "/permissions/unknown/connections/x?targetName=g"),
        ("PUT", "/permissions/sendToGroup,joinLeaveGroup/connections/x?targetName=g"),
        ("PUT", "/permissions/sendToGroup/connections/x"),
        ("POST", "/:generateToken?minutesToExpire=0"),
        ("GET", "/groups/g/connections?maxpagesize=201"),
        ("HEAD", "/users/u?api-version=2024-12-01&api-version=2024-12-01"),
    ],
)
async def test_the_model_is_checked_before_the_caller(rest: Rest, method: str, path: str) -> None:
    """Names, parameters and versions answer 400 with and without a token."""
    for headers in ({}, bearer()):
        response = await rest.answer(method, "/api/hubs/chat" + path, None, headers)
        assert (response.status, response.code) == (400, BAD)
        assert "api-supported-versions" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/groups/g/connections?top=1&top=2", None, 400),
        ("GET", "/groups/g/connections?maxpagesize=1&maxpagesize=1", None, 400),
        ("GET", "/groups/g/connections?continuationToken=x", None, 400),
        ("POST", "/:send", "{", 400),
        ("POST", "/:addToGroups", "{}", 400),
        ("POST", "/:addToGroups", '{"groups":["g"],"filter":" "}', 400),
    ],
)
async def test_the_caller_is_checked_before_bodies(
    rest: Rest, method: str, path: str, body: str | None, status: int
) -> None:
    """Doubled paging parameters, cursors and bodies are looked at after the token."""
    assert (await rest.answer(method, "/api/hubs/chat" + path, body, {})).status == 401
    assert (await rest.call(method, path, body))[:2] == (status, BAD)


async def test_errors_have_the_recorded_form(rest: Rest) -> None:
    """400 names the parameter as it was given, a field of a body with a capital letter."""
    for method, path, body, target in (
        ("POST", "/:send?filter=userId%20lt%201", "1", "filter"),
        ("POST", "/:addToGroups", '{"groups":["g"],"filter":"userId lt 1"}', "Filter"),
    ):
        _, _, content = await rest.call(method, path, body)
        text = "Invalid syntax for 'userId lt 1': Type 'string', expect 'int'. (Parameter 'filter')"
        problem = json.loads(content)
        assert (problem["target"], problem["message"]) == (target, text)
        assert problem["errors"] == {target: [text]}
    response = await rest.answer("HEAD", "/api/hubs/chat/users/x", None, bearer())
    assert response.body == b""
    assert int(response.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("path", "body", "target"),
    [
        ("/:send?filter=contains(userId,1)", "1", "filter"),
        ("/:addToGroups", '{"groups":["g"],"filter":"contains(userId,1)"}', "Filter"),
        ("/:removeFromGroups", '{"groups":["g"],"filter":"contains(userId,1)"}', "Filter"),
        ("/:addToGroups", '{"groups":[" "]}', "Groups"),
    ],
)
async def test_mistakes_that_come_late_are_named_too(
    emulator: Emulator, clients: Clients, rest: Rest, path: str, body: str, target: str
) -> None:
    """A mistake in a body, or one that only a connection shows, names its parameter, too."""
    await opened(emulator, clients, user_id="ann")
    status, code, content = await rest.call("POST", path, body)
    assert (status, code, json.loads(content)["target"]) == (400, BAD, target)


async def test_links_to_next_pages(emulator: Emulator, clients: Clients, rest: Rest) -> None:
    """A link is absolute, counts `top` down, is for its own group, and survives who leaves."""
    ids = sorted([(await opened(emulator, clients, groups=["g", "h"]))[1] for _ in range(4)])
    _, _, content = await rest.call("GET", "/groups/g/connections?top=3&maxpagesize=2")
    link = URL(json.loads(content)["nextLink"])
    assert str(link).startswith(f"{emulator.endpoint}/api/hubs/chat/groups/g/connections?")
    assert link.query.keys() == {"api-version", "maxpagesize", "top", "continuationToken"}
    assert (link.query["api-version"], link.query["top"]) == ("2024-12-01", "1")
    query = link.raw_query_string
    assert (await rest.call("GET", f"/groups/h/connections?{query}"))[0] == 400
    other = f"/api/hubs/other/groups/g/connections?{query}"
    assert (await rest.answer("GET", other, None, bearer())).status == 400
    await rest.call("DELETE", f"/groups/g/connections/{ids[0]}")
    page = json.loads((await rest.call("GET", f"/groups/g/connections?{query}"))[2])
    expected = {"connectionId": ids[2], "userId": None}
    assert page == {"value": [expected], "nextLink": None}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ('{"groups":["a","b"]}', "application/json", 200),
        ('{"Groups":["a"],"FILTER":null}', "application/json; charset=utf-8", 200),
        ('{"groups":["a"],"filter":""}', "application/json", 200),
        ('{"groups":["a"],"filter":"false","other":1}', "application/json", 200),
        (json.dumps({"groups": [f"g{number}" for number in range(1025)]}), "application/json", 200),
        ('{"groups":[]}', "application/json", 400),
        ('{"groups":null}', "application/json", 400),
        ('{"groups":"a"}', "application/json", 400),
        ('{"groups":["a",1]}', "application/json", 400),
        ('{"groups":["a"," "]}', "application/json", 400),
        ('{"groups":["a"],"filter":1}', "application/json", 400),
        ('{"groups":["a"],"filter":"contains(userId, 1)"}', "application/json", 400),
        ('["a"]', "application/json", 400),
        ("{", "application/json", 400),
        ('{"groups":["a"]}', "text/plain", 415),
        ('{"groups":["a"]}', "application/xml", 415),
        (" " * (2**20 + 1), "application/json", 400),
    ],
)
@pytest.mark.parametrize("operation", [":addToGroups", ":removeFromGroups"])
# aiohttp's client warns of bodies over 1 MiB.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_bodies_of_the_calls_on_many(
    emulator: Emulator,
    clients: Clients,
    rest: Rest,
    operation: str,
    body: str,
    content_type: str,
    status: int,
) -> None:
    """Groups are required and valid, a filter is optional; what is wrong changes nothing."""
    await opened(emulator, clients, user_id="ann", groups=["kept"])
    headers = {"Content-Type": content_type}
    answer = await rest.call("POST", f"/{operation}", body, **headers)
    assert answer[0] == status
    if status != 200:
        assert (await rest.call("HEAD", "/groups/a"))[0] == 404
    assert (await rest.call("HEAD", "/groups/kept"))[0] == 200


async def test_many_connections_join_and_leave_by_filter(
    emulator: Emulator, clients: Clients, rest: Rest
) -> None:
    """A filter selects who joins; without one the whole hub leaves."""
    for user in ("ann", "bob"):
        await opened(emulator, clients, user_id=user)
    wish = '{"groups":["a","b"],"filter":"userId eq \'ann\'"}'
    assert await rest.call("POST", "/:addToGroups", wish) == (200, None, b"")
    page = json.loads((await rest.call("GET", "/groups/b/connections"))[2])
    assert [member["userId"] for member in page["value"]] == ["ann"]
    assert page["nextLink"] is None
    assert (await rest.call("POST", "/:removeFromGroups", '{"groups":["a"]}'))[0] == 200
    assert [(await rest.call("HEAD", f"/groups/{name}"))[0] for name in "ab"] == [404, 200]


@pytest.mark.parametrize(
    ("body", "content_type", "answer"),
    [
        (b"\xe9", "text/plain; charset=latin-1", (202, None)),
        (b"null", "application/json", (202, None)),
        (b"\xff", "application/octet-stream", (202, None)),
        (b"x", "text/plain; charset=klingon", (415, "Error.UnsupportedMediaType")),
        (b"x", "nonsense", (415, "Error.UnsupportedMediaType")),
        (b"x", "application/x-protobuf", (501, "Error.NotImplemented")),
        (b"", "application/json", (400, BAD)),
    ],
)
@pytest.mark.parametrize("target", ["", "/groups/g", "/users/u", "/connections/c"])
async def test_bodies_of_sends(
    rest: Rest, target: str, body: bytes, content_type: str, answer: tuple[int, str | None]
) -> None:
    """Three types can be sent; others are refused, and protobuf bodies are not supported."""
    headers = {"Content-Type": content_type}
    assert (await rest.call("POST", f"{target}/:send", body, **headers))[:2] == answer


async def test_metadata_of_rest_messages(emulator: Emulator, clients: Clients, rest: Rest) -> None:
    """Metadata headers reach JSON clients with every kind of send; a bad one is refused."""
    socket, connection_id = await opened(emulator, clients, user_id="ann", groups=["g"])
    simple = await clients.connect(await client_url(emulator))
    for target in ("", "/groups/g", "/users/ann", f"/connections/{connection_id}"):
        headers = {"X-WebPubSub-Metadata-Trace-Id": "0, 7", "X-WebPubSub-Metadata-b": ""}
        assert (await rest.call("POST", f"{target}/:send", "1", **headers))[0] == 202
        assert (await receive(socket))["metadata"] == {"trace-id": "7", "b": ""}
    assert await simple.receive_str(timeout=5) == "1"
    bad = {"X-WebPubSub-Metadata-a": "v" * 1025}
    status, _, content = await rest.call("POST", "/:send", "1", **bad)
    assert status == 400
    assert "exceeds 1024 bytes" in json.loads(content)["message"]


async def test_metadata_and_protobuf_between_clients(emulator: Emulator, clients: Clients) -> None:
    """What a JSON client publishes reaches JSON clients whole, and simple clients as data."""
    socket, _ = await opened(emulator, clients, groups=["g"], roles=["webpubsub.sendToGroups.*"])
    simple = await clients.connect(await client_url(emulator, groups=["g"]))
    for message in (
        {"dataType": "protobuf", "data": "CgE=", "metadata": {"A": "1"}},
        {"metadata": {"A": "1"}},
    ):
        await socket.send_json({"type": "sendToGroup", "group": "g", **message})
        frame = await receive(socket)
        expected = {"dataType": "text", "data": ""} | message
        assert {name: frame[name] for name in expected} == expected
    assert await simple.receive_bytes(timeout=5) == b"\n\x01"
    assert await simple.receive_str(timeout=5) == ""
    await socket.send_json({"type": "sendToGroup", "group": "g", "metadata": {"é": "1"}})
    assert (await closing(socket))[0] == 1007


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/health", "HEAD"),
        ("/api/hubs/chat/:send", "POST"),
        ("/api/hubs/chat/groups/g/connections/c", "DELETE, PUT"),
    ],
)
async def test_other_methods_are_not_allowed(rest: Rest, path: str, methods: str) -> None:
    """A known path with another method is 405 and names the methods that it has."""
    response = await rest.answer("PATCH", path, None, bearer())
    assert (response.status, response.headers["Allow"]) == (405, methods)
    assert response.code == "Error.MethodNotAllowed"


@pytest.mark.parametrize(
    ("method", "path", "versions"),
    [
        ("DELETE", "/connections/c/groups", "2022-11-01, 2023-07-01, 2024-01-01, 2024-12-01"),
        ("POST", "/:addToGroups", "2023-07-01, 2024-01-01, 2024-12-01"),
        ("GET", "/groups/g/connections", "2024-12-01"),
        ("HEAD", "/users/u", ALL_VERSIONS),
    ],
)
async def test_versions(rest: Rest, method: str, path: str, versions: str) -> None:
    """An operation tells its versions, takes each of them or none, and refuses older ones."""
    url = "/api/hubs/chat" + path
    body = GROUPS if method == "POST" else None
    response = await rest.answer(method, url, body, bearer())
    assert response.headers["api-supported-versions"] == versions
    for version in ALL_VERSIONS.split(", "):
        asked = f"{url}?api-version={version}"
        response = await rest.answer(method, asked, body, bearer())
        assert (response.status == 400) is (version not in versions)
        if response.status == 400:
            text = f"does not support the API version '{version}'."
            assert json.loads(response.body)["message"].endswith(text)


async def test_generated_tokens(emulator: Emulator, rest: Rest) -> None:
    """Claims are as the service was recorded with; what is not asked for is not in them."""
    _, _, content = await rest.call("POST", "/:generateToken?minutesToExpire=5")
    claims = jwt.decode(json.loads(content)["token"], options={"verify_signature": False})
    assert claims.keys() == {"aud", "exp", "iat", "nbf", "iss"}
    assert claims["aud"] == f"{emulator.endpoint}/client/hubs/chat"
    assert claims["iss"] == "https://webpubsub.azure.com"
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize("suffix", ["?x=1", "/", "/child", "", "?continuationToken=other"])
async def test_audiences_that_open_a_call(emulator: Emulator, rest: Rest, suffix: str) -> None:
    """Scheme, case and what follows the path do not matter in a token's audience."""
    for scheme in ("http", "https", "ws", "WSS"):
        url = f"{scheme}{emulator.endpoint.removeprefix('http')}/API/hubs/Chat/users/u{suffix}"
        claims = {"aud": url, "exp": 9_999_999_999}
        token = jwt.encode(claims, ACCESS_KEY, "HS256", headers={"kid": "any"})
        headers = {"Authorization": f"bearer {token}"}
        response = await rest.answer("HEAD", "/api/hubs/chat/users/u?top=1", None, headers)
        assert response.status == 404


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "{url}Suffix"},
        {"aud": "ftp{url}"},
        {"aud": "http://elsewhere/api/hubs/chat/users/u"},
        {"aud": "{other}"},
        {"aud": "{url}", "exp": 1},
        {"aud": "{url}", "nbf": 9_999_999_999},
        {"aud": "{url}", "exp": None},
        {"exp": 9_999_999_999},
    ],
)
async def test_tokens_that_open_nothing(
    emulator: Emulator, rest: Rest, claims: dict[str, Any]
) -> None:
    """Another audience, another time or a missing claim is 401 without a body."""
    url = f"{emulator.endpoint}/api/hubs/chat/users/u"
    given: dict[str, Any] = {"exp": 9_999_999_999} | claims
    if "aud" in given:
        given["aud"] = given["aud"].format(url=url, other=url.replace("chat", "other"))
    token = jwt.encode({k: v for k, v in given.items() if v}, ACCESS_KEY, "HS256")
    for header in (f"Bearer {token}", f"Basic {token}", "Bearer x", "Bearer"):
        headers = {"Authorization": header}
        response = await rest.answer("POST", "/api/hubs/chat/users/u/:send", "1", headers)
        assert (response.status, response.code) == (401, NO_TOKEN)
        assert response.body == b""


# --- the official clients ----------------------------------------------------------------


class Official:
    """One official client; its blocking form runs in a thread."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def __call__(self, name: str, *values: Any, **options: Any) -> Any:
        """The result of a method."""
        method = getattr(self._client, name)
        if isinstance(self._client, SyncServiceClient):
            return await asyncio.to_thread(method, *values, **options)
        return await method(*values, **options)

    async def pages(self, **options: Any) -> list[list[str]]:
        """The connection ids on each page of a listing."""
        pages = self._client.list_connections(**options).by_page()
        if isinstance(self._client, SyncServiceClient):
            return await asyncio.to_thread(
                lambda: [[member.connection_id for member in page] for page in pages]
            )
        return [[member.connection_id async for member in page] async for page in pages]

    async def close(self) -> None:
        """Close the client's connections."""
        closed = self._client.close()
        if inspect.isawaitable(closed):
            await closed


@pytest.fixture(params=[SyncServiceClient, WebPubSubServiceClient], ids=["sync", "aio"])
async def official(request: pytest.FixtureRequest, emulator: Emulator) -> AsyncIterator[Official]:
    """The official client of the data plane, in both its forms."""
    client = Official(request.param.from_connection_string(emulator.connection_string, "chat"))
    yield client
    await client.close()


async def test_official_memberships(
    emulator: Emulator, clients: Clients, official: Official
) -> None:
    """Connections and users come into groups and out again, one group or all at a time."""
    _, one = await opened(emulator, clients, user_id="ann")
    await official("add_connection_to_group", "a", one)
    await official("add_user_to_group", "b", "ann")
    assert [await official("group_exists", name) for name in "abc"] == [True, True, False]
    await official("remove_connection_from_group", "a", one)
    await official("remove_user_from_group", "b", "ann")
    assert [await official("group_exists", name) for name in "ab"] == [False, False]
    for remove, name in (
        ("remove_connection_from_all_groups", one),
        ("remove_user_from_all_groups", "ann"),
    ):
        for group in "ab":
            await official("add_connection_to_group", group, one)
        await official(remove, name)
        assert [await official("group_exists", group) for group in "ab"] == [False, False]
    for add, name, code in (
        ("add_connection_to_group", "x", "Error.Connection.NotExisted"),
        ("add_user_to_group", "x", "Warning.User.NotExisted"),
    ):
        with pytest.raises(ResourceNotFoundError) as caught:
            await official(add, "a", name)
        assert caught.value.error is not None
        assert caught.value.error.code == code


async def test_official_pages(emulator: Emulator, clients: Clients, official: Official) -> None:
    """Pages are in the order of ids, follow each other to the end or to `top`, and are signed."""
    ids = sorted([(await opened(emulator, clients, groups=["a b"]))[1] for _ in range(5)])
    pages = await official.pages(group="a b", maxpagesize=2)
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    assert await official.pages(group="a b", maxpagesize=2, top=3) == [ids[:2], ids[2:3]]
    assert await official.pages(group="a b", top=3) == [ids[:3]]
    assert await official.pages(group="none") == [[]]


async def test_official_sends(emulator: Emulator, clients: Clients, official: Official) -> None:
    """Filters and exclusions go together; a filter that is wrong is the caller's mistake."""
    ann, one = await opened(emulator, clients, user_id="ann", groups=["g"])
    bob, two = await opened(emulator, clients, user_id="bob", groups=["g"])
    await official("send_to_all", "a", filter="userId eq 'ann'")
    await official("send_to_group", "g", "b", filter="length(userId) eq 3", excluded=[two])
    await official("send_to_user", "ann", {"c": 1}, filter="'g' in groups")
    await official("send_to_user", "ann", "nobody hears", filter="'h' in groups")
    await official("send_to_connection", one, "d", content_type="text/plain")
    await official("send_to_all", "e", excluded=[one])
    heard = [await receive(ann) for _ in range(4)]
    assert [frame["data"] for frame in heard] == ["a", "b", {"c": 1}, "d"]
    assert [frame["from"] for frame in heard] == ["server", "group", "server", "server"]
    assert (await receive(bob))["data"] == "e"
    with pytest.raises(HttpResponseError, match="expect 'int'") as caught:
        await official("send_to_all", "x", filter="userId lt 1")
    assert caught.value.status_code == 400


async def test_official_permissions(
    emulator: Emulator, clients: Clients, official: Official
) -> None:
    """Grants and revocations hold from the client's next frame on, for one group each."""
    socket, one = await opened(emulator, clients, roles=["webpubsub.joinLeaveGroups.room*"])

    async def join(group: str, ack_id: int) -> bool:
        await socket.send_json({"type": "joinGroup", "group": group, "ackId": ack_id})
        return bool((await receive(socket))["success"])

    async def has(group: str, name: str = "joinLeaveGroup") -> Any:
        return await official("has_permission", name, one, target_name=group)

    assert (await has("room1"), await has("other"), await has("room1", "sendToGroup")) == (
        True, False, False,
    )  # fmt: skip
    assert await join("room1", 1)
    await official("revoke_permission", "joinLeaveGroup", one, target_name="room1")
    assert (await has("room1"), await join("room1", 2)) == (False, False)
    assert await official("group_exists", "room1")
    assert await join("room2", 3)
    await official("grant_permission", "joinLeaveGroup", one, target_name="room1")
    assert (await has("room1"), await join("room1", 4)) == (True, True)
    await official("grant_permission", "sendToGroup", one, target_name="*")
    assert (await has("*", "sendToGroup"), await has("x", "sendToGroup")) == (True, False)
    assert not await official("has_permission", "sendToGroup", "x", target_name="g")
    await official("revoke_permission", "sendToGroup", "x", target_name="g")
    with pytest.raises(ResourceNotFoundError) as caught:
        await official("grant_permission", "sendToGroup", "x", target_name="g")
    assert caught.value.error is not None
    assert caught.value.error.code == "Info.Connection.NotExisted"


async def test_official_conflict(
    emulator: Emulator, clients: Clients, app: App, official: Official
) -> None:
    """A connection with 1,000 rules for an action takes no more."""
    roles = [f"webpubsub.sendToGroup.g{number}" for number in range(1000)]
    app.scripts["connect"] = [web.json_response({"roles": roles})]
    _, one = await opened(emulator, clients)
    with pytest.raises(ResourceExistsError) as caught:
        await official("grant_permission", "sendToGroup", one, target_name="x")
    assert caught.value.error is not None
    assert caught.value.error.code == "Error.Connection.Conflict"


async def test_official_closes(emulator: Emulator, clients: Clients, official: Official) -> None:
    """All, a group or a user are closed with a reason, but for those excluded."""
    sockets = [await opened(emulator, clients, user_id="ann", groups=["g"]) for _ in range(4)]
    ids = [connection_id for _, connection_id in sockets]
    assert await official("user_exists", "ann")
    await official("close_user_connections", "ann", excluded=ids[1:], reason="one")
    await official("close_group_connections", "g", excluded=ids[2:], reason="two")
    await official("close_all_connections", excluded=ids[3:], reason="three")
    await official("close_connection", ids[3], reason="four")
    for (socket, connection_id), reason in zip(
        sockets, ("one", "two", "three", "four"), strict=True
    ):
        assert (await receive(socket))["message"].endswith(f"Reason: {reason}")
        assert await closing(socket) == (1000, "")
        assert not await official("connection_exists", connection_id)
    assert not await official("user_exists", "ann")


async def test_official_tokens(emulator: Emulator, clients: Clients, official: Official) -> None:
    """A token that the client signs by itself lets a client in."""
    token = await official("get_client_access_token", user_id="ann", groups=["g"])
    socket = await clients.connect(token["url"], protocols=["json.webpubsub.azure.v1"])
    assert (await receive(socket))["userId"] == "ann"
    assert await official("group_exists", "g")
