"""A function app for test_runtime.py, with its own module name."""

import asyncio
import logging
from typing import Any

import azure.functions as func

app = func.FunctionApp()


@app.route(route="page", methods=["GET"])
async def page(req: func.HttpRequest) -> func.HttpResponse:
    """Send back the body and a cookie."""
    headers = {"Set-Cookie": "a=1; Path=/", "X-Sample": req.headers["x-sample"]}
    return func.HttpResponse(req.get_body(), status_code=202, headers=headers)


@app.route(route="wrong", methods=["GET"])
async def wrong(req: func.HttpRequest) -> func.HttpResponse:
    """Return a status that is not a number."""
    return func.HttpResponse("", status_code="abc")  # type: ignore[arg-type]  # the error under test


@app.generic_trigger(
    arg_name="data", type="webPubSubTrigger", hub="chat", eventType="user", eventName="message"
)
def echo(data: str) -> Any:
    """Evaluate the data, log it from a thread and return the value."""
    logging.getLogger("sample").info("echo")
    return eval(data) if data else {"got": data}  # noqa: S307  # the tests choose the value


@app.generic_trigger(
    arg_name="request", type="webPubSubTrigger", hub="chat", eventType="user", eventName="slow"
)
async def slow(request: str) -> Any:
    """Yield to the event loop once, then return the request."""
    await asyncio.sleep(0)
    return {"request": request}
