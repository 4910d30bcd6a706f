"""Faults of REST calls: refused, answered with an error or late. faults.py decides when."""

import asyncio
from http import HTTPStatus

from aiohttp import web

from webpubsub_emulator.calls import Call, Handler
from webpubsub_emulator.faults import Fault, Faults
from webpubsub_emulator.problems import RestError


async def call_under_faults(faults: Faults, handler: Handler, call: Call) -> web.Response:
    """Return the response to a call that passed all checks. Raises RestError."""
    _refuse(faults)
    try:
        response = await handler(call)
        _deny(faults)
        return response
    finally:
        slow = faults.strike("rest-slow")
        if slow is not None:
            await asyncio.sleep(slow.ms / 1000)


def _refuse(faults: Faults) -> None:
    # Before the call has any effect.
    throttled = faults.strike("rest-throttled")
    if throttled is not None:
        error = _error(throttled, HTTPStatus.TOO_MANY_REQUESTS)
        error.headers["Retry-After"] = str(throttled.retry_after)
        raise error
    # The answer to a Microsoft Entra identity that lacks the role for the call.
    forbidden = faults.strike("rest-forbidden")
    if forbidden is not None:
        raise _error(forbidden, HTTPStatus.FORBIDDEN)
    failed = faults.strike("rest-error")
    if failed is not None:
        raise _error(failed, failed.status)


def _deny(faults: Faults) -> None:
    # After the call had its effect.
    failed = faults.strike("rest-error-after")
    if failed is not None:
        raise _error(failed, failed.status)


def _error(fault: Fault, status: int) -> RestError:
    # The code names the fault, so that the error is not taken for a real one.
    return RestError(status, f"Fault.{fault.name}")
