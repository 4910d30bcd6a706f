"""Users that connect with the official asynchronous client and know only the negotiate URL."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from azure.messaging.webpubsubclient.aio import WebPubSubClient, WebPubSubClientCredential
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    OnGroupDataMessageArgs,
    WebPubSubProtocolType,
)

SECONDS = 60  # the longest wait for a message, an acknowledgement or a state


def new_room() -> str:
    """Return a group name that no other test uses."""
    return f"room-{uuid.uuid4().hex[:8]}"


async def negotiate(host: str, **query: str) -> dict[str, Any]:
    """Return the response body of negotiate, which must answer 200."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{host}/api/negotiate", params=query) as response,
    ):
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


class User:
    """A connected client; `inbox` holds its unread group messages."""

    def __init__(self, client: WebPubSubClient) -> None:
        self.client = client
        self.inbox: asyncio.Queue[OnGroupDataMessageArgs] = asyncio.Queue()

    async def hear(self) -> str:
        """Return the text of the next group message."""
        return str((await self.receive()).data)

    async def receive(self) -> OnGroupDataMessageArgs:
        """Return the next group message."""
        return await asyncio.wait_for(self.inbox.get(), SECONDS)


@asynccontextmanager
async def enter(
    host: str, protocol: WebPubSubProtocolType = WebPubSubProtocolType.JSON_RELIABLE, **query: str
) -> AsyncIterator[User]:
    """Connect a client with the fields of `query`, and close it at the end of the block."""

    async def get_url() -> str:
        return str((await negotiate(host, **query))["url"])

    client = WebPubSubClient(
        WebPubSubClientCredential(get_url),
        protocol_type=protocol,
        ack_timeout=SECONDS,
        message_retry_total=0,
    )
    user = User(client)

    async def keep(message: OnGroupDataMessageArgs) -> None:
        user.inbox.put_nowait(message)

    await client.subscribe(CallbackType.GROUP_MESSAGE, keep)
    async with client:
        yield user
