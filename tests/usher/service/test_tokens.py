import pytest

from tests.usher.groups.recorder import Recorder, answered
from usher.errors import ServiceError, TooLargeError
from usher.service.tokens import LONGEST_CLIENT_URL, ClientToken, TokenRequest, generate_token

REQUEST = TokenRequest("ana", ["blue"], ["webpubsub.sendToGroup.blue"], 5)


async def test_the_minter_gets_the_request_and_makes_the_token() -> None:
    minter = Recorder()
    token = await generate_token(minter, REQUEST)
    assert minter.token_request == REQUEST
    assert (token.url, token.base_url, token.token) == (minter.url, "wss://demo", "x")


async def test_an_error_of_the_minter_is_raised() -> None:
    """It is not retried."""
    minter = Recorder(token=[answered(500)])
    with pytest.raises(ServiceError) as caught:
        await generate_token(minter, REQUEST)
    assert caught.value.answered == 500


@pytest.mark.parametrize(
    ("user_id", "groups", "field", "advice"),
    [
        ("u" * 50, ["g"], "userId", "a shorter userId"),
        ("u", ["g" * 20] * 9, "group", "fewer groups"),
        (None, ["g"], "group", "fewer groups"),
        ("u" * 9, ["ggg"] * 3, "group", "fewer groups"),
    ],
)
async def test_a_url_that_is_too_long(
    user_id: str | None, groups: list[str], field: str, advice: str
) -> None:
    """The error names the field that makes the URL long: the user id or the groups."""
    minter = Recorder()
    minter.url = "x" * 4096
    request = TokenRequest(user_id, groups, [], 5)
    assert (await generate_token(minter, request)).url == minter.url
    minter.url += "x"
    with pytest.raises(TooLargeError, match=advice) as caught:
        await generate_token(minter, request)
    assert caught.value.field == field
    assert f"4097 characters; {LONGEST_CLIENT_URL}" in caught.value.detail


def test_a_token_has_no_repr() -> None:
    """The token opens a connection, so it must not get into a log."""
    token = ClientToken("wss://demo?access_token=secret", "wss://demo", "secret", 0)
    assert "secret" not in repr(token) + str(token)
