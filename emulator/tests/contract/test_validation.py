"""Names, parameters and the form of errors (REST specification 2024-12-01)."""

import pytest

from contract.target import NO_TOKEN, Hub, Target, escape

GRANT = "/permissions/sendToGroup/connections/x"


@pytest.mark.specified
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/groups/%20/:send"),
        pytest.param("HEAD", "/groups/" + "x" * 1025, id="HEAD-group of 1,025 characters"),
        ("HEAD", "/connections/%20"),
        ("HEAD", "/users/%20"),
        ("POST", "/:send?filter=x"),
        ("POST", "/:send?messageTtlSeconds=301"),
        ("POST", "/:send?messageTtlSeconds=-1"),
        ("POST", "/users/u/:send?messageTtlSeconds=x"),
        ("PUT", "/permissions/unknown/connections/x?targetName=g"),
        ("PUT", "/permissions/3/connections/x?targetName=g"),
        ("PUT", "/permissions/sendToGroup,joinLeaveGroup/connections/x?targetName=g"),
        ("PUT", GRANT),
        ("PUT", f"{GRANT}?targetName="),
        ("PUT", f"{GRANT}?targetName=%20"),
        ("POST", "/:generateToken?minutesToExpire=0"),
        ("POST", "/:generateToken?minutesToExpire=2147483648"),
        ("POST", "/:generateToken?group=%20"),
        ("POST", "/:generateToken?clientType=other"),
        ("GET", "/groups/g/connections?maxpagesize=0"),
        ("GET", "/groups/g/connections?maxpagesize=201"),
        ("GET", "/groups/g/connections?top=0"),
        ("GET", "/groups/g/connections?top=2147483648"),
    ],
)
async def test_an_invalid_parameter_is_400(hub: Hub, method: str, path: str) -> None:
    """Parameters are checked before the token."""
    for headers in ({}, NO_TOKEN):
        answer = await hub.call(method, path, **headers)
        assert answer.status == 400


@pytest.mark.specified
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("HEAD", "/groups/" + "x" * 1024, 404, id="HEAD-group of 1,024 characters"),
        ("HEAD", "/groups/-%20*", 404),
        pytest.param("HEAD", "/users/" + "x" * 2000, 404, id="HEAD-user of 2,000 characters"),
        ("POST", "/:send?messageTtlSeconds=0", 202),
        ("POST", "/:send?messageTtlSeconds=300", 202),
        ("POST", "/:send?filter=", 202),
        ("POST", "/:generateToken?minutesToExpire=1", 200),
        ("POST", "/:generateToken?minutesToExpire=2147483647", 200),
        ("GET", "/groups/g/connections?maxpagesize=200&top=2147483647", 200),
        ("HEAD", "/permissions/JOINleavegroup/connections/x?targetName=*", 404),
    ],
)
async def test_values_at_their_limits_are_accepted(
    hub: Hub, method: str, path: str, status: int
) -> None:
    data = "1" if path.startswith("/:send") else None
    assert (await hub.call(method, path, data)).status == status


@pytest.mark.specified
@pytest.mark.parametrize("name", ["a", "A_1`,.[]", pytest.param("x" * 128, id="128 characters")])
async def test_hub_names_may_have_128_characters(target: Target, name: str) -> None:
    """A letter, then letters, digits and a few signs."""
    path = f"/api/hubs/{escape(name)}/users/unknown"
    assert (await target.call("HEAD", path)).status == 404


@pytest.mark.specified
@pytest.mark.parametrize("name", ["1a", "_a", "a-b", "a%20b", "%C3%A9", "x" * 129])
async def test_an_invalid_hub_name_is_400(target: Target, name: str) -> None:
    assert (await target.call("HEAD", f"/api/hubs/{name}/users/u")).status == 400


@pytest.mark.specified
@pytest.mark.parametrize("parameter", ["maxpagesize", "top", "continuationToken", "api-version"])
async def test_a_repeated_parameter_is_400(hub: Hub, parameter: str) -> None:
    value = "2024-12-01" if parameter == "api-version" else "1"
    query = f"{parameter}={value}&{parameter}={value}"
    assert (await hub.call("GET", f"/groups/g/connections?{query}")).status == 400


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("path", "body", "parameter"),
    [
        ("/:send?filter=userId%20lt%201", "1", "filter"),
        ("/:addToGroups", '{"groups":["g"],"filter":"userId lt 1"}', "Filter"),
        ("/:removeFromGroups", '{"groups":["g"],"filter":"userId lt 1"}', "Filter"),
    ],
)
async def test_a_400_is_a_problem_that_names_the_parameter(
    hub: Hub, path: str, body: str, parameter: str
) -> None:
    """In a body the name has a capital letter.

    As recorded. Microsoft's emulator has three keys only, and no header for the code.
    """
    text = "Invalid syntax for 'userId lt 1': Type 'string', expect 'int'. (Parameter 'filter')"
    answer = await hub.call("POST", path, body)
    assert (answer.status, answer.code) == (400, "Error.BadRequest")
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert (answer.body["code"], answer.body["target"]) == ("Error.BadRequest", parameter)
    assert answer.body["message"] == text
    assert answer.body["errors"] == {parameter: [text]}
    assert "api-supported-versions" not in answer.headers


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("path", "code", "message", "kind"),
    [
        ("/groups/g/connections/x", "Error.Connection.NotExisted", "Connection `x` is not found.",
         "Connection"),
        (f"{GRANT}?targetName=g", "Info.Connection.NotExisted", "Connection `x` is not found.",
         "Connection"),
        ("/users/u/groups/g", "Warning.User.NotExisted", "User `u` is not found.", "User"),
    ],
)  # fmt: skip
async def test_a_404_names_what_was_not_found(
    hub: Hub, path: str, code: str, message: str, kind: str
) -> None:
    """The code is also in a header. As recorded; Microsoft's emulator has no content for users."""
    answer = await hub.call("PUT", path)
    assert (answer.status, answer.code) == (404, code)
    assert answer.headers["Content-Type"].startswith("application/json")
    expected = {"code": code, "message": message, "target": kind, "details": None}
    assert {key: answer.body[key] for key in expected} == expected


@pytest.mark.specified
@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "{",
        '["a"]',
        '{"groups":[]}',
        '{"groups":null}',
        '{"groups":"a"}',
        '{"groups":["a",1]}',
        '{"groups":["a"," "]}',
        '{"groups":["a"],"filter":1}',
        '{"groups":["a"],"filter":" "}',
        '{"groups":["a"],"filter":"contains(userId, 1)"}',
    ],
)
@pytest.mark.parametrize("operation", ["addToGroups", "removeFromGroups"])
async def test_an_invalid_body_changes_nothing(hub: Hub, operation: str, body: str) -> None:
    """Groups are required and must be valid."""
    async with hub.connect(user="ann", group="kept"):
        assert (await hub.call("POST", f"/:{operation}", body)).status == 400
        assert [await hub.has(f"/groups/{name}") for name in ("a", "kept")] == [False, True]


@pytest.mark.specified
@pytest.mark.parametrize(
    "body",
    [
        '{"groups":["a"],"filter":null}',
        '{"groups":["a"],"filter":""}',
        '{"groups":["a"],"filter":"true"}',
        '{"Groups":["a"],"FILTER":null,"other":1}',
        pytest.param('{"groups":[' + ",".join(f'"g{n}"' for n in range(1024)) + ',"a"]}',
                     id="1,025 groups"),
    ],
)  # fmt: skip
async def test_add_to_groups_accepts_any_number_of_groups(hub: Hub, body: str) -> None:
    """The filter is optional, and keys are case-insensitive."""
    async with hub.connect(user="ann"):
        assert (await hub.call("POST", "/:addToGroups", body)).status == 200
        assert await hub.has("/groups/a")
        assert (await hub.call("POST", "/:removeFromGroups", body)).status == 200
        assert not await hub.has("/groups/a")


@pytest.mark.specified
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/groups/g/connections?top=1&top=2", None),
        ("GET", "/groups/g/connections?continuationToken=x", None),
        ("POST", "/:send", "{"),
        ("POST", "/:addToGroups", "{}"),
        ("POST", "/:addToGroups", '{"groups":["g"],"filter":" "}'),
    ],
)
async def test_the_token_is_checked_before_the_body(
    hub: Hub, method: str, path: str, body: str | None
) -> None:
    """Also before repeated paging parameters and cursors."""
    for headers, status in ((NO_TOKEN, 401), ({}, 400)):
        assert (await hub.call(method, path, body, **headers)).status == status


@pytest.mark.recorded
async def test_an_error_of_head_has_headers_and_no_content(hub: Hub) -> None:
    answer = await hub.call("HEAD", "/users/u")
    assert (answer.status, answer.body) == (404, "")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.inferred
@pytest.mark.parametrize("content_type", ["text/plain", "application/xml"])
async def test_add_to_groups_accepts_json_only(hub: Hub, content_type: str) -> None:
    answer = await hub.call("POST", "/:addToGroups", '{"groups":["a"]}', Content_Type=content_type)
    assert answer.status == 415


@pytest.mark.specified
async def test_commas_and_blanks_belong_to_an_excluded_id(hub: Hub) -> None:
    async with hub.connect() as one, hub.connect() as two:
        for value in (f"{one.connection_id},{two.connection_id}", f"%20{one.connection_id}"):
            answer = await hub.call("POST", f"/:send?excluded={value}", "1")
            assert answer.status == 202
            for client in (one, two):
                assert (await client.receive())["data"] == 1
