"""Signed tokens, beside those of the official SDK and checked by another library."""

import subprocess
import sys
import time

import jwt
import pytest
from azure.messaging.webpubsubservice import WebPubSubServiceClient

from localdev.stack import ROOT
from tests.usher.settings import KEY, make_settings
from usher.service.signing import Signer
from usher.service.tokens import TokenRequest
from usher.settings import Connection

SETTINGS = make_settings()
AUDIENCE = "https://demo.webpubsub.azure.com/client/hubs/chat"


@pytest.mark.parametrize(
    "wish",
    [
        TokenRequest("ana", ["blue"], ["webpubsub.sendToGroup.blue"], 60),
        TokenRequest('Ana "ñ" 日本', ["a,b", "ü"], ["webpubsub.sendToGroup.a,b"], 5),
        TokenRequest(None, [], [], 1),
    ],
)
async def test_a_client_token_is_the_sdk_s(wish: TokenRequest) -> None:
    """To the letter, where both are made in the same second; and so are its URLs."""
    client = WebPubSubServiceClient.from_connection_string(
        f"Endpoint={SETTINGS.connection.endpoint};AccessKey={KEY};Version=1.0;", "chat"
    )
    for _ in range(3):  # a second may begin between the two
        token = await Signer(SETTINGS).generate_token(wish)
        theirs = client.get_client_access_token(
            user_id=wish.user_id,
            roles=list(wish.roles),
            groups=list(wish.groups),
            minutes_to_expire=wish.minutes,
        )
        if token.token == theirs["token"]:
            break
    assert (token.token, token.url, token.base_url) == tuple(
        theirs[member] for member in ("token", "url", "baseUrl")
    )


async def test_what_it_says_of_its_end_is_what_the_token_says() -> None:
    """And it ends when it was asked to."""
    token = await Signer(SETTINGS).generate_token(TokenRequest("ana", ["blue"], [], 5))
    claims = jwt.decode(token.token, KEY, ["HS256"], audience=AUDIENCE)
    assert claims["exp"] == token.expires_at
    assert claims["iat"] + 300 == token.expires_at
    assert abs(claims["iat"] - time.time()) < 5


def test_the_token_of_a_call_is_for_its_url_alone() -> None:
    """And for a minute."""
    url = "https://demo.webpubsub.azure.com/api/hubs/chat/:addToGroups?api-version=2024-12-01"
    token = Signer(SETTINGS).sign_call(url)
    claims = jwt.decode(token, KEY, ["HS256"], audience=url)
    assert claims.keys() == {"aud", "exp"}
    assert 55 <= claims["exp"] - time.time() <= 60
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, KEY[::-1], ["HS256"], audience=url)


def test_the_key_does_not_show() -> None:
    """Wherever a signer is printed."""
    assert KEY not in repr(Signer(SETTINGS)) + str(Signer(SETTINGS))


def test_without_a_key_there_is_no_signer() -> None:
    """Rather than one that signs with nothing."""
    for key in (None, ""):
        connection = Connection("https://demo.webpubsub.azure.com", access_key=key)
        with pytest.raises(ValueError, match="no access key"):
            Signer(make_settings(connection=connection))


def test_signing_needs_no_sdk() -> None:
    """Nor anything else that is not in the standard library: a cold start waits for all of it."""
    script = (
        "import sys; known = set(sys.modules); import usher.service.signing\n"
        "later = {name.partition('.')[0] for name in set(sys.modules) - known}\n"
        "print(*sorted(later - sys.stdlib_module_names))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["usher"]
