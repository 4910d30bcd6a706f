"""`python -m tests.e2e.identity_stack`: `dev.py up --json`, but with a managed identity.

In addition to the emulator and the host it runs an endpoint with the protocol of App Service's
managed identities (App Service documentation, "Managed identities", REST endpoint reference). The
endpoint issues data plane tokens that the emulator accepts.
"""

import asyncio
import json
import secrets
import signal
import time
from contextlib import AsyncExitStack

from aiohttp import web
from aiohttp.test_utils import TestServer

from localdev.stack import run_host
from webpubsub_emulator import ACCESS_KEY, Emulator, sign_data_plane_token

RESOURCE = "https://webpubsub.azure.com"


def identity_application(secret: str) -> web.Application:
    """Return the endpoint, which issues a token only to a request with the secret."""

    async def issue_token(request: web.Request) -> web.Response:
        if request.headers.get("X-IDENTITY-HEADER") != secret:
            return web.json_response({"message": "wrong X-IDENTITY-HEADER"}, status=401)
        expected = {
            "api-version": "2019-08-01",
            "resource": RESOURCE,
            "client_id": "usher-identity",
        }
        if dict(request.query) != expected:
            return web.json_response({"message": "unknown resource or identity"}, status=400)
        return web.json_response(
            {
                "access_token": sign_data_plane_token(ACCESS_KEY),
                "expires_on": str(int(time.time()) + 3600),
                "resource": RESOURCE,
                "token_type": "Bearer",
            }
        )

    application = web.Application()
    application.router.add_get("/msi/token", issue_token)
    return application


async def main() -> None:
    """Run the stack until a signal stops it."""
    stopped, secret = asyncio.Event(), secrets.token_hex()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with AsyncExitStack() as running:
        emulator = await running.enter_async_context(Emulator(control=True))
        server = await running.enter_async_context(TestServer(identity_application(secret)))
        settings = {
            "WebPubSubConnectionString": "",
            "WebPubSubConnectionString__serviceUri": emulator.endpoint,
            "WebPubSubConnectionString__clientId": "usher-identity",
            "IDENTITY_ENDPOINT": str(server.make_url("/msi/token")),
            "IDENTITY_HEADER": secret,
        }
        host = await running.enter_async_context(run_host(settings))
        emulator.add_event_handler("chat", f"{host.address}/runtime/webhooks/webpubsub")
        facts = {
            "connectionString": emulator.connection_string,
            "hub": "chat",
            "emulator": emulator.endpoint,
            "host": host.address,
            "control": emulator.control_url,
        }
        print(json.dumps(facts), flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
