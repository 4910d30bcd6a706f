"""REST operations that send the message in the request's body."""

from dataclasses import replace

from aiohttp import web

from webpubsub_emulator.calls import Call
from webpubsub_emulator.media_types import MediaTypeError, payload_from_body
from webpubsub_emulator.messages import Payload
from webpubsub_emulator.metadata import MetadataError, metadata_from_headers
from webpubsub_emulator.problems import bad_request, unsupported_media_type


async def send_to_all(call: Call) -> web.Response:
    payload = await _read_payload(call)
    call.run(call.hub.sending.to_all(payload, call.parameters.excluded, call.parameters.where))
    return web.Response(status=202)


async def send_to_group(call: Call) -> web.Response:
    payload = await _read_payload(call)
    chosen = (call.parameters.excluded, call.parameters.where)
    call.run(call.hub.sending.to_group(call.names["group"], payload, *chosen))
    return web.Response(status=202)


async def send_to_user(call: Call) -> web.Response:
    payload = await _read_payload(call)
    call.run(call.hub.sending.to_user(call.names["userId"], payload, call.parameters.where))
    return web.Response(status=202)


async def send_to_connection(call: Call) -> web.Response:
    payload = await _read_payload(call)
    call.run(call.hub.sending.to_connection(call.names["connectionId"], payload))
    return web.Response(status=202)


async def _read_payload(call: Call) -> Payload:
    """Return the message in body and headers. Raises RestError (400, 415)."""
    body = await call.read_body()
    content_type = call.request.headers.get("Content-Type")
    try:
        payload = payload_from_body(content_type, body)
    except MediaTypeError:
        raise unsupported_media_type() from None
    except ValueError:
        raise bad_request("The request body is not a valid JSON.") from None
    try:
        metadata = metadata_from_headers(call.request.headers.items())
    except MetadataError as error:
        raise bad_request(str(error)) from None
    return replace(payload, metadata=metadata, ttl_seconds=call.parameters.ttl_seconds)
