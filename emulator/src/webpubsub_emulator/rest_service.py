"""The data plane's calls on the service itself: its status, and client tokens."""

from aiohttp import web

from webpubsub_emulator.calls import Call
from webpubsub_emulator.tokens import Client, sign_client_token


async def get_service_status(_call: Call) -> web.Response:
    return web.Response()


async def generate_client_token(call: Call) -> web.Response:
    asked = call.parameters
    audience = f"{call.request.scheme}://{call.request.host}/client/hubs/{call.hub.name}"
    client = Client(asked.user_id, asked.roles, asked.groups, claims={})
    token = sign_client_token(call.access_key, audience, client, asked.minutes_to_expire)
    return web.json_response({"token": token})
