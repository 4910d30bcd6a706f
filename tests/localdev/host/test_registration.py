"""registration.py: which functions run, and what takes the whole app down, as recorded."""

from collections.abc import Mapping
from typing import Any

import pytest

from localdev.host.errors import StartError
from localdev.host.registration import Registration, register
from localdev.host.routes import match_route
from localdev.host.runtime import Function

CONNECTION = "WebPubSubConnectionString"
GOOD = "Endpoint=http://localhost;AccessKey=secret;Version=1.0;"


def page(name: str, route: str | None = None, methods: list[str] | None = None) -> Function:
    """An HTTP function as the worker describes it."""
    trigger: dict[str, Any] = {"type": "httpTrigger", "name": "req", "route": route}
    if methods is not None:
        trigger["methods"] = methods
    return Function(name, name, (trigger, {"type": "http", "name": "$return"}))


def event(name: str, **changes: Any) -> Function:
    """An event function as the worker describes it."""
    trigger = {"type": "webPubSubTrigger", "name": "request", "hub": "chat"}
    trigger |= {"eventType": "user", "eventName": "message", **changes}
    return Function(name, name, (trigger,))


def start(*functions: Function, prefix: str = "api", **environ: str) -> Registration:
    """Register functions with these settings."""
    return register(functions, prefix, environ)


def found(app: Registration, path: str, method: str = "GET") -> str | None:
    """The name of the function that gets a request."""
    match = match_route(app.routes, method, path)
    return match and match[0].function_name


@pytest.mark.parametrize(
    ("changes", "environ", "fault"),
    [
        ({"hub": ""}, {}, "no hub"),
        ({"hub": "%Hub%"}, {"Hub": ""}, "no hub"),
        ({"connections": ["Other"]}, {}, "'Other' has no app setting"),
        ({"connection": "Other"}, {}, "'Other' has no app setting"),
        ({}, {CONNECTION: "AccessKey=secret"}, "no Endpoint"),
        ({}, {CONNECTION: f'"{GOOD}"'}, "no Endpoint"),
        ({}, {CONNECTION: f"{GOOD}AccessKey=secret;"}, "twice"),
        ({}, {CONNECTION: f"{GOOD}Port=secret;"}, "invalid Port"),
        ({}, {CONNECTION: "Endpoint=http://;AccessKey=secret"}, "not a URL"),
    ],
)
def test_events_that_stop_the_app(
    changes: Mapping[str, Any], environ: Mapping[str, str], fault: str
) -> None:
    """The one function stops all; the reason names it and no value."""
    with pytest.raises(
        StartError, match=f"on_message cannot listen for events: .*{fault}"
    ) as caught:
        start(page("health"), event("on_message", **changes), **environ)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("functions", "prefix", "fault"),
    [
        ([page("a", "/a")], "api", "begins with a slash"),
        ([page("a", "//a")], "api", "begins with a slash"),
        ([page("a")], "/api", "routePrefix"),
        ([page("a")], "api/", "routePrefix"),
        ([page("a", "{x:color}")], "api", "unknown constraint `color`"),
        ([page("same"), page("Same")], "api", "differ only in case"),
    ],
)
def test_routes_that_stop_the_app(functions: list[Function], prefix: str, fault: str) -> None:
    with pytest.raises(StartError, match=fault):
        start(*functions, prefix=prefix)


@pytest.mark.parametrize(
    "setting",
    ["", "Endpoint=http://localhost", "Endpoint=localhost;AccessKey=k", "Endpoint=http://a/b"],
)
def test_connection_strings_that_stop_nothing(setting: str) -> None:
    app = start(event("on_message", connections=["Other"]), Other=setting)
    assert app.webhook is not None
    assert len(app.webhook.listeners) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"hub": "%Missing%"},
        {"eventName": "%Missing%"},
        {"eventType": "x"},
        {"clientProtocols": "x"},
    ],
)
def test_events_that_are_left_out(
    changes: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The other functions run."""
    app = start(page("health"), event("lost", **changes), event("kept", eventName="kept"))
    assert found(app, "/api/health") == "health"
    assert app.webhook is not None
    assert [each.function_name for each in app.webhook.listeners] == ["kept"]
    assert "ERROR: lost does not run: " in caplog.text


def test_routes_that_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Reserved routes, and the template and a method of an earlier function."""
    app = start(
        page("admin_page"),
        page("runtime_page", "RunTime/x"),
        page("one", "x/{a}", ["GET", "POST"]),
        page("two", "X/{A}", ["POST"]),
        page("three", "x/{a}", ["PUT"]),
        page("zero", "x/{a}", []),
    )
    assert [route.function_name for route in app.routes] == ["one", "three"]
    for name in ("admin_page", "runtime_page", "two", "zero"):
        assert f"ERROR: {name} does not run: " in caplog.text


def test_functions_in_the_order_of_their_names() -> None:
    """The first name wins, in any case and with `_` after letters; literals have no precedence."""
    app = start(
        page("items_special", "items/special"),
        page("Items_param", "items/{id}"),
        page("a_b", "order/{x}"),
        page("aB", "order/{y}"),
    )
    assert found(app, "/api/items/special") == "Items_param"
    assert found(app, "/api/order/1") == "aB"


def test_two_functions_for_one_event() -> None:
    """The first one gets it."""
    app = start(event("second"), event("first", hub="CHAT"))
    assert app.webhook is not None
    assert [each.function_name for each in app.webhook.listeners] == ["first"]


def test_disabled_functions_keep_their_route() -> None:
    """A disabled function answers 404, also where a later one would match."""
    app = start(page("a", "{x}"), page("b"), event("c"), **{"AzureWebJobs.a.Disabled": "true"})
    assert found(app, "/api/b") == "a"
    assert app.disabled == {"a"}


def test_the_extension_is_only_loaded_for_its_triggers() -> None:
    assert start(page("a")).webhook is None


def test_route_prefixes() -> None:
    """The prefix may be empty, or have slashes inside."""
    assert found(start(page("a"), prefix=""), "/a") == "a"
    assert found(start(page("a"), prefix="v1/x"), "/v1/x/a") == "a"
