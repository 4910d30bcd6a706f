"""Signed tokens, compared with the official SDK's and verified by PyJWT."""

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
    "token_request",
    [
        TokenRequest("ana", ["blue"], ["webpubsub.sendToGroup.blue"], 60),
        TokenRequest('Ana "ñ" 日本', ["a,b", "ü"], ["webpubsub.sendToGroup.a,b"], 5),
        TokenRequest(None, [], [], 1),
    ],
)
async def test_a_client_token_equals_the_token_of_the_sdk(token_request: TokenRequest) -> None:
    """Its URLs are equal as well."""
    client = WebPubSubServiceClient.from_connection_string(
        f"Endpoint={SETTINGS.connection.endpoint};AccessKey={KEY};Version=1.0;", "chat"
    )
    for _ in range(3):  # tokens have seconds, and a new second may begin between the two
        token = await Signer(SETTINGS).generate_token(token_request)
        sdk_token = client.get_client_access_token(
            user_id=token_request.user_id,
            roles=list(token_request.roles),
            groups=list(token_request.groups),
            minutes_to_expire=token_request.minutes,
        )
        if token.token == sdk_token["token"]:
            break
    assert (token.token, token.url, token.base_url) == tuple(
        sdk_token[member] for member in ("token", "url", "baseUrl")
    )


async def test_expires_at_is_the_end_of_the_token() -> None:
    """It is the requested minutes after the present time."""
    token = await Signer(SETTINGS).generate_token(TokenRequest("ana", ["blue"], [], 5))
    claims = jwt.decode(token.token, KEY, ["HS256"], audience=AUDIENCE)
    assert claims["exp"] == token.expires_at
    assert claims["iat"] + 300 == token.expires_at
    assert abs(claims["iat"] - time.time()) < 5


def test_the_token_of_a_call_is_for_one_url_and_one_minute() -> None:
    url = "https://demo.webpubsub.azure.com/api/hubs/chat/:addToGroups?api-version=2024-12-01"
    token = Signer(SETTINGS).sign_call(url)
    claims = jwt.decode(token, KEY, ["HS256"], audience=url)
    assert claims.keys() == {"aud", "exp"}
    assert 55 <= claims["exp"] - time.time() <= 60
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, KEY[::-1], ["HS256"], audience=url)


def test_a_printed_signer_has_no_key() -> None:
    assert KEY not in repr(Signer(SETTINGS)) + str(Signer(SETTINGS))


def test_a_signer_needs_an_access_key() -> None:
    """Otherwise it would sign with an empty key."""
    for key in (None, ""):
        connection = Connection("https://demo.webpubsub.azure.com", access_key=key)
        with pytest.raises(ValueError, match="no access key"):
            Signer(make_settings(connection=connection))


def test_signing_imports_only_the_standard_library() -> None:
    """Every other import would make a cold start slower."""
    script = (
        "import sys; known = set(sys.modules); import usher.service.signing\n"
        "later = {name.partition('.')[0] for name in set(sys.modules) - known}\n"
        "print(*sorted(later - sys.stdlib_module_names))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["usher"]
