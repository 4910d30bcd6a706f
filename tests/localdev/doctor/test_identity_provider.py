"""Tests of localdev/doctor/identity_provider.py, with a real provider whose answers change."""

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from localdev.doctor.findings import Finding, Level
from localdev.doctor.identity_provider import find_fault, find_issuer
from tests.e2e.identity_provider import DISCOVERY, KEYS, Provider, serve
from tests.localdev.doctor.contexts import make_context

LOCAL_APP = "http://127.0.0.1:7071"


def answer(document: object, status: int = 200) -> Callable[[], Awaitable[web.StreamResponse]]:
    async def respond() -> web.StreamResponse:
        return web.json_response(document, status=status)

    return respond


async def ask(issuer: str) -> Finding | None:
    async with make_context(LOCAL_APP) as context:
        return await find_fault(context, issuer)


async def test_a_provider_that_works() -> None:
    async with serve(Provider()) as provider:
        assert await ask(provider.issuer) is None
    assert provider.asked == {DISCOVERY: 1, KEYS: 1}


@pytest.mark.parametrize(
    ("path", "document", "status", "saw"),
    [
        (DISCOVERY, {}, 404, "openid-configuration returned 404"),
        (DISCOVERY, [], 200, "openid-configuration returned no JSON object"),
        (DISCOVERY, {"issuer": "https://other.example"}, 200, "names the issuer https://other."),
        (KEYS, {}, 500, "/tenant/keys returned 500"),
        (KEYS, {"keys": []}, 200, "/tenant/keys contains no keys"),
    ],
)
async def test_an_answer_that_the_app_cannot_use(
    path: str, document: object, status: int, saw: str
) -> None:
    async with serve(Provider(answers={path: answer(document, status)})) as provider:
        finding = await ask(provider.issuer)
    assert finding
    assert (finding.level, saw in finding.saw) == (Level.FAILURE, True)
    if "names the issuer" in saw:
        assert "Set USHER_OIDC_ISSUER to https://other.example" in finding.fix


async def test_keys_that_anyone_could_replace() -> None:
    provider = Provider()
    async with serve(provider):
        document = {"issuer": provider.issuer, "jwks_uri": "http://other.example/keys"}
        provider.answers[DISCOVERY] = answer(document)
        finding = await ask(provider.issuer)
    assert finding
    assert finding.saw.endswith("has no jwks_uri with https")


async def test_no_provider_at_the_address() -> None:
    finding = await ask(f"http://127.0.0.1:{unused_port()}")
    assert finding
    assert finding.saw.endswith("does not answer (Connection refused)")
    assert "USHER_OIDC_ISSUER is not the address" in finding.means


async def test_the_issuer_of_a_bearer_token() -> None:
    """For a deployment, whose settings are unknown. The settings of this folder come first."""
    provider = Provider(issuer="https://login.example.com")
    async with make_context(bearer=provider.token()) as context:
        assert find_issuer(context) == "https://login.example.com"
        context.issuer = "https://own.example.com"
        assert find_issuer(context) == "https://own.example.com"
    for bearer in ("no-token", provider.token(iss="http://login.example.com"), None):
        async with make_context(bearer=bearer) as context:
            assert find_issuer(context) is None
