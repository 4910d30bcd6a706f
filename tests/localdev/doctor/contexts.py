"""Contexts in which a test says what is known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from localdev.doctor.calls import open_session
from localdev.doctor.context import Context, Token
from localdev.doctor.target import Target

APP = "https://usher.azurewebsites.net"
SERVICE = "wss://demo.webpubsub.azure.com/client/hubs/chat"


def make_token(base_url: str = SERVICE, **changes: Any) -> Token:
    """Return an answer of negotiate with a token for this client URL."""
    values: dict[str, Any] = {
        "url": f"{base_url}?access_token=a-secret-token",
        "base_url": base_url,
        "hub": "chat",
        "user_id": "doctor-1",
        "groups": ("lobby",),
        "issued_at": None,
    }
    return Token(**(values | changes))


@asynccontextmanager
async def make_context(app: str = APP, **about: Any) -> AsyncIterator[Context]:
    """Yield a context; `about` are fields of the target or of the context."""
    fields = {name: about.pop(name) for name in list(about) if name in Target.__annotations__}
    target = Target(app, **{"wait_seconds": 0.2, **fields})
    async with open_session() as session:
        yield Context(target, session, **about)
