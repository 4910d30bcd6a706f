"""A function app for the host's tests: the user id selects what an event function does."""

import asyncio
import json
import logging
import os
import time
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

RESULTS: dict[str, Any] = {
    "none": None,
    "slow": None,
    "valid-json-text": '{"userId": "ana"}',
    "bytes": b"raw",
    "number": 7,
    "list": [{"userId": "ana"}],
    "set": {"a", "b"},
    "set-inside": {"userId": {"a", "b"}},
    "connect": {"userId": "ana", "groups": ["blue"], "unknown": 1},
    "message": {"data": "hello", "dataType": "text"},
    "states": {"states": {"seat": {"n": 7}}},
    "refuse": {"code": "unauthorized", "errorMessage": "no"},
    "silent-error": {"code": "unauthorized"},
}


def outcome(request: str) -> Any:
    """Return or raise what the user id selects; ``echo`` returns the request as an error."""
    case = json.loads(request)["connectionContext"]["userId"]
    if case == "echo":
        return {"code": "userError", "errorMessage": request}
    if case == "raise":
        raise ValueError("the app's own error")
    if case == "slow":
        time.sleep(0.2)
    return RESULTS[case]


@app.route(route="echo/{room}/{seat?}", methods=["GET", "POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    """Send back all that the function was given."""
    seen = {
        "method": req.method,
        "url": req.url,
        "route": dict(req.route_params),
        "query": dict(req.params),
        "header": req.headers.get(req.params.get("show", "X-Sample")),
        "body": req.get_body().decode(),
    }
    return func.HttpResponse(json.dumps(seen), status_code=201, mimetype="application/json")


@app.route()
def text(req: func.HttpRequest) -> str:
    """Return plain text from a thread."""
    logging.getLogger("sample").info('{"json": "line", "name": "%s"}', req.params.get("name"))
    return os.environ["FromFile"]


@app.route(methods=["GET"])
async def cookies(req: func.HttpRequest) -> func.HttpResponse:
    """Set two cookies."""
    answer = func.HttpResponse("")
    answer.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    answer.headers.add("Set-Cookie", "b=2")
    return answer


@app.route(methods=["GET"])
async def boom(req: func.HttpRequest) -> func.HttpResponse:
    """Fail."""
    raise ValueError("the page's own error")


@app.route(methods=["GET"])
async def nothing(req: func.HttpRequest) -> func.HttpResponse:
    """Return something that cannot be sent."""
    return None  # type: ignore[return-value]  # the error under test


@app.route(methods=["GET"])
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    """Log before and after a pause in which other requests run."""
    logger = logging.getLogger("sample")
    logger.info("%s begins", req.params["name"])
    await asyncio.sleep(0.1)
    logger.info("%s ends", req.params["name"])
    return func.HttpResponse("")


@app.route(methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def members(req: func.HttpRequest) -> func.HttpResponse:
    """Return the key that the function gets."""
    return func.HttpResponse(f"{req.params.get('code')} {req.headers.get('x-functions-key')}")


@app.route(methods=["POST"], auth_level=func.AuthLevel.ADMIN)
async def owners(req: func.HttpRequest) -> func.HttpResponse:
    """Require the master key."""
    return func.HttpResponse("")


@app.generic_trigger(
    arg_name="request",
    type="webPubSubTrigger",
    hub="%SampleHub%",
    eventType="system",
    eventName="connect",
)
def connect(request: str) -> Any:
    """Handle a connect event."""
    return outcome(request)


@app.generic_trigger(
    arg_name="request",
    type="webPubSubTrigger",
    hub="chat",
    eventType="system",
    eventName="connected",
)
async def connected(request: str) -> Any:
    """Handle a connected event."""
    return outcome(request)


@app.generic_trigger(
    arg_name="request",
    type="webPubSubTrigger",
    hub="chat",
    eventType="system",
    eventName="disconnected",
)
def disconnected(request: str) -> Any:
    """Handle a disconnected event in a thread."""
    return outcome(request)


@app.generic_trigger(
    arg_name="request",
    type="webPubSubTrigger",
    hub="chat",
    eventType="user",
    eventName="message",
)
async def message(request: str) -> Any:
    """Handle a user event."""
    return outcome(request)


@app.generic_trigger(
    arg_name="data",
    data_type="binary",
    type="webPubSubTrigger",
    hub="chat",
    eventType="user",
    eventName="blob",
)
async def blob(data: bytes) -> Any:
    """Send back the type and the number of bytes."""
    return {"data": f"{type(data).__name__} {len(data)}", "dataType": "text"}


@app.generic_trigger(
    arg_name="payload",
    type="webPubSubTrigger",
    hub="chat",
    eventType="user",
    eventName="misnamed",
)
async def misnamed(payload: str) -> Any:
    """Return the value of a parameter with another name."""
    return {"data": repr(payload), "dataType": "text"}


@app.generic_trigger(
    arg_name="request",
    type="webPubSubTrigger",
    hub="%NoSuchSetting%",
    eventType="user",
    eventName="message",
)
async def unresolved(request: str) -> Any:
    """Never run: its hub is not set."""


@app.route(methods=["GET"])
async def switched_off(req: func.HttpRequest) -> func.HttpResponse:
    """Never run: a setting disables it."""
    return func.HttpResponse("")


@app.generic_trigger(
    arg_name="request",
    type="webPubSubTrigger",
    hub="chat",
    eventType="user",
    eventName="switched_off",
)
async def event_switched_off(request: str) -> Any:
    """Never run: a setting disables it."""


@app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
async def hourly(timer: func.TimerRequest) -> None:
    """Never run: the local host has no timers."""
