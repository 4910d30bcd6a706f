"""Authentication of REST calls (data plane REST reference, "Authentication")."""

import time
from typing import Any

import jwt
import pytest

from contract.target import NO_TOKEN, Hub, Target

HOUR = 3600


async def status(target: Target, hub: Hub, token: str, path: str = "/:send") -> int:
    headers = {"Authorization": token, "Content-Type": "text/plain"}
    answer = await target.call("POST", f"/api/hubs/{hub}{path}", "x", headers)
    return answer.status


@pytest.mark.recorded
async def test_the_health_call_needs_no_token(target: Target) -> None:
    answer = await target.call("HEAD", "/api/health", headers=NO_TOKEN)
    assert answer.status == 200


@pytest.mark.specified
@pytest.mark.parametrize("ending", ["", "?api-version=2024-12-01", "?anything=else", "/", "/child"])
async def test_the_audience_is_the_url(target: Target, hub: Hub, ending: str) -> None:
    """The audience may have the query, no query or another query, and the path may continue."""
    url = f"{target.endpoint}/api/hubs/{hub}/:send{ending}"
    assert await status(target, hub, f"Bearer {target.sign(url)}") == 202


@pytest.mark.specified
async def test_the_audience_is_case_insensitive(target: Target, hub: Hub) -> None:
    """Hosts and hub names are case-insensitive, too."""
    token = target.sign(f"{target.endpoint}/API/hubs/{hub.name.upper()}/:Send")
    assert await status(target, hub, f"bearer {token}") == 202


@pytest.mark.specified
async def test_other_claims_are_ignored(target: Target, hub: Hub) -> None:
    """Issuer, key id and unknown claims are not checked."""
    claims = {"aud": f"{target.endpoint}/api/hubs/{hub}/:send", "exp": int(time.time()) + HOUR}
    more = {"iss": "any", "other": 1}
    token = jwt.encode(claims | more, target.access_key, "HS256", headers={"kid": "any"})
    assert await status(target, hub, f"Bearer {token}") == 202


@pytest.mark.specified
async def test_the_scheme_of_the_audience_is_ignored(target: Target, hub: Hub) -> None:
    """A service behind a gateway sees another scheme."""
    host = target.endpoint.partition("://")[2]
    for scheme in ("http", "https", "ws", "wss"):
        token = target.sign(f"{scheme}://{host}/api/hubs/{hub}/:send")
        assert await status(target, hub, f"Bearer {token}") == 202


@pytest.mark.specified
@pytest.mark.parametrize(
    "audience",
    [
        "{endpoint}/api/hubs/{hub}x/:send",
        "{endpoint}/api/hubs/{hub}/:sendSuffix",
        "ftp://{host}/api/hubs/{hub}/:send",
        "{endpoint}/api/hubs/{hub}/groups/a/:send",
        "https://other.example/api/hubs/{hub}/:send",
        "{endpoint}/client/hubs/{hub}",
        "",
    ],
)
async def test_another_audience_is_refused(target: Target, hub: Hub, audience: str) -> None:
    """Another hub, call, scheme or host, the audience of a client token, or none."""
    host = target.endpoint.partition("://")[2]
    token = target.sign(audience.format(endpoint=target.endpoint, host=host, hub=hub))
    assert await status(target, hub, f"Bearer {token}") == 401


@pytest.mark.specified
@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"exp": -4 * 60}, 202),
        ({"exp": -15 * 60}, 401),
        ({"nbf": 4 * 60, "exp": HOUR}, 202),
        ({"nbf": 15 * 60, "exp": HOUR}, 401),
    ],
)
async def test_clocks_may_differ_by_five_minutes(
    target: Target, hub: Hub, claims: dict[str, int], expected: int
) -> None:
    """A token is accepted shortly after it expired and shortly before it is valid."""
    times = {name: int(time.time()) + offset for name, offset in claims.items()}
    token = target.sign(f"{target.endpoint}/api/hubs/{hub}/:send", **times)
    assert await status(target, hub, f"Bearer {token}") == expected


@pytest.mark.specified
async def test_a_token_must_expire(target: Target, hub: Hub) -> None:
    claims: dict[str, Any] = {"aud": f"{target.endpoint}/api/hubs/{hub}/:send"}
    token = jwt.encode(claims, target.access_key, algorithm="HS256")
    assert await status(target, hub, f"Bearer {token}") == 401


@pytest.mark.specified
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer rubbish", "Basic YTpi"])
async def test_a_call_without_a_bearer_token_is_refused(
    target: Target, hub: Hub, header: str
) -> None:
    assert await status(target, hub, header) == 401


@pytest.mark.specified
async def test_another_key_is_refused(target: Target, hub: Hub) -> None:
    """An unsigned token is refused, too."""
    claims = {"aud": f"{target.endpoint}/api/hubs/{hub}/:send", "exp": int(time.time()) + HOUR}
    other = jwt.encode(claims, "another-key-of-at-least-32-bytes!", algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    for token in (other, unsigned):
        assert await status(target, hub, f"Bearer {token}") == 401
