"""Tests of tokens.py."""

import time
from typing import Any

import jwt
import pytest

from webpubsub_emulator.tokens import (
    ACCESS_KEY,
    Client,
    allows_recovery,
    allows_rest_call,
    check_access_key,
    check_client_token,
    sign_client_token,
    sign_data_plane_token,
    sign_reconnection_token,
)

HOST = "127.0.0.1:8080"
PATH = "/api/hubs/chat/groups/a%20b/:send"
TARGETS = [HOST + PATH, HOST + "/api/hubs/chat/groups/a b/:send"]
CLIENT_TARGET = f"{HOST}/client/hubs/chat"


def token(aud: Any, *, lifetime: int = 60, key: str = ACCESS_KEY, **claims: Any) -> str:
    """Return a token signed with this key."""
    return jwt.encode({"aud": aud, "exp": time.time() + lifetime, **claims}, key, "HS256")


@pytest.mark.parametrize(
    ("audience", "allowed"),
    [
        (f"http://{HOST}{PATH}?api-version=2024-12-01", True),
        (f"wss://{HOST}{PATH}", True),
        (f"https://{HOST.upper()}{PATH.upper()}/", True),
        (f"http://{HOST}/api/hubs/chat/groups/a b/:send", True),
        (f"http://{HOST}/api/hubs/ch%61t/groups/a%20b/:send", True),
        (f"http://{HOST}{PATH}/child", True),
        ([f"http://{HOST}{PATH}"], True),
        (f"http://{HOST}{PATH}Suffix", False),
        (f"ftp://{HOST}{PATH}", False),
        (f"{HOST}{PATH}", False),
        (f"http://other{PATH}", False),
        (f"http://{HOST}/api/hubs/chat/:send", False),
        (f"http://{HOST}", False),
        ("https://webpubsub.azure.com", True),
        ("https://webpubsub.azure.com/", True),
        ("https://webpubsub.azure.com.example", False),
        ("", False),
    ],
)
def test_audience_of_rest_calls(audience: Any, allowed: bool) -> None:
    """A token is for this URL, with any scheme and query, or for the whole data plane."""
    assert allows_rest_call(token(audience), ACCESS_KEY, TARGETS) is allowed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "a.b.c",
        "é",
        token("https://webpubsub.azure.com", lifetime=-600),
        token("https://webpubsub.azure.com", nbf=time.time() + 6000),  # not valid yet
        token("https://webpubsub.azure.com", key="x" * 32),
        jwt.encode({"aud": "https://webpubsub.azure.com"}, ACCESS_KEY, "HS256"),
        jwt.encode({"exp": time.time() + 60}, ACCESS_KEY, "HS256"),
        jwt.encode({"aud": "https://webpubsub.azure.com", "exp": 9e9}, "", "none"),
    ],
)
def test_bad_tokens_open_nothing(text: str) -> None:
    """Unsigned, foreign, expired, early and broken tokens are refused alike."""
    assert allows_rest_call(text, ACCESS_KEY, TARGETS) is False
    assert check_client_token(text, ACCESS_KEY, "webpubsub.azure.com") is None


def test_five_minutes_of_skew() -> None:
    """A token that expired four minutes ago is still accepted."""
    late = token("https://webpubsub.azure.com", lifetime=-240)
    assert allows_rest_call(late, ACCESS_KEY, TARGETS)


@pytest.mark.parametrize(
    ("audience", "known"),
    [
        (f"http://{HOST}/client/hubs/chat", True),
        (f"wss://{HOST}/client/hubs/Chat", True),
        (f"http://{HOST}/client/hubs/chat2", False),
        (f"http://{HOST}/client/hubs/", False),
        (f"http://{HOST}client/hubs/chat", False),
        ("http://other/client/hubs/chat", False),
        ("https://webpubsub.azure.com", False),
    ],
)
def test_audience_of_clients(audience: str, known: bool) -> None:
    """A client token is for this host and hub, in any scheme and case."""
    assert (check_client_token(token(audience), ACCESS_KEY, CLIENT_TARGET) is not None) is known


@pytest.mark.parametrize(("role", "roles"), [("r", ("r",)), (["r", "s"], ("r", "s")), (None, ())])
def test_one_or_many_roles(role: Any, roles: tuple[str, ...]) -> None:
    """Claims may be one text or a list; the app gets all of them as lists of texts."""
    text = token(f"http://{CLIENT_TARGET}", role=role, custom=7, sub="ann")
    client = check_client_token(text, ACCESS_KEY, CLIENT_TARGET)
    assert client is not None
    assert (client.user_id, client.roles, client.groups) == ("ann", roles, ())
    assert client.claims["custom"] == ["7"]


def test_signed_client_tokens_are_accepted() -> None:
    """A generated token has the values asked for, and single values are plain texts."""
    wanted = Client("ann", ("r",), ("g", "h"), {})
    text = sign_client_token(ACCESS_KEY, f"http://{CLIENT_TARGET}", wanted, 5)
    claims = jwt.decode(text, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 300
    assert (claims["iss"], claims["role"]) == ("https://webpubsub.azure.com", "r")
    client = check_client_token(text, ACCESS_KEY, CLIENT_TARGET)
    assert client is not None
    assert (client.user_id, client.roles, client.groups) == ("ann", ("r",), ("g", "h"))


def test_data_plane_tokens() -> None:
    """A data plane token allows every REST call and no client connection."""
    text = sign_data_plane_token(ACCESS_KEY, minutes=1)
    claims = jwt.decode(text, options={"verify_signature": False})
    assert claims.keys() == {"aud", "iss", "iat", "nbf", "exp"}
    assert allows_rest_call(text, ACCESS_KEY, [])
    assert check_client_token(text, ACCESS_KEY, CLIENT_TARGET) is None


@pytest.mark.parametrize("key", ["short", "k" * 31, "k" * 32 + ";", " " + "k" * 32, "k\n" * 20])
def test_access_keys_are_checked(key: str) -> None:
    """A weak key, or one that breaks connection strings, is refused and not quoted."""
    check_access_key(ACCESS_KEY)
    check_access_key("é" * 16)
    with pytest.raises(ValueError, match="access key") as caught:
        check_access_key(key)
    assert key not in str(caught.value)


def test_reconnection_tokens() -> None:
    """One recovers its own connection for a week, and nothing else."""
    text = sign_reconnection_token(ACCESS_KEY, "c1")
    claims = jwt.decode(text, options={"verify_signature": False})
    assert (claims["iss"], claims["aud"]) == ("https://webpubsub.azure.com", "c1")
    assert claims["exp"] - claims["iat"] == 7 * 24 * 3600
    assert [allows_recovery(text, ACCESS_KEY, name) for name in ("c1", "c2")] == [True, False]
    assert not allows_recovery(text, "k" * 32, "c1")
    assert not allows_rest_call(text, ACCESS_KEY, ["c1"])
    assert check_client_token(text, ACCESS_KEY, "c1") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        token("c1", iss="somebody else"),
        token("c1"),
        jwt.encode({"iss": "https://webpubsub.azure.com", "exp": 9e9}, ACCESS_KEY, "HS256"),
        jwt.encode({"iss": "https://webpubsub.azure.com", "aud": "c1"}, ACCESS_KEY, "HS256"),
        token("c1", iss="https://webpubsub.azure.com", lifetime=-2),
        token("c1", iss="https://webpubsub.azure.com", nbf=time.time() + 60),
    ],
)
def test_bad_reconnection_tokens(text: str) -> None:
    """Foreign, expired and early ones recover nothing; there is no clock skew."""
    assert not allows_recovery(text, ACCESS_KEY, "c1")
    assert allows_recovery(
        token("c1", iss="https://webpubsub.azure.com", lifetime=60), ACCESS_KEY, "c1"
    )
