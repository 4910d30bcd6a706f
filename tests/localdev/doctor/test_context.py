"""Tests of localdev/doctor/context.py."""

from typing import Any

import pytest

from tests.localdev.doctor.contexts import make_context, make_token

OWN = {"hub": "own", "service": "http://127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("about", "hub", "service"),
    [
        ({}, "chat", None),
        ({"self_check": OWN}, "own", "http://127.0.0.1:8080"),
        ({"web_pubsub": "named"}, "chat", "https://named.webpubsub.azure.com"),
        (
            {"self_check": OWN, "web_pubsub": "named", "token": make_token(hub="issued")},
            "issued",
            "https://demo.webpubsub.azure.com",
        ),
        ({"hub": "named", "token": make_token()}, "named", "https://demo.webpubsub.azure.com"),
    ],
)
async def test_hub_and_service(about: dict[str, Any], hub: str, service: str | None) -> None:
    """The hub option wins over all sources; for the service, the token does."""
    async with make_context(**about) as context:
        assert (context.hub, context.service) == (hub, service)
