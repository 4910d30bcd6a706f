import azure.functions as func
import pytest

from usher.errors import BadRequestError, LengthRequiredError
from usher.fields import check_length, read_name, read_optional_text, read_query


@pytest.mark.parametrize(
    "name", [1, None, "", " ", "a/b", ".", "..", "g" * 1025, "\ud800", "a ", "\u3164", "a\x00"]
)
def test_a_bad_group_name_is_refused_with_its_field(name: object) -> None:
    """A REST call cannot address a group with such a name."""
    with pytest.raises(BadRequestError) as caught:
        read_name(name, "room")
    assert caught.value.field == "room"


@pytest.mark.parametrize("name", ["a,b", "a b", "Ñandú 日本", "'\"", "g" * 1024, "a%2Fb"])
def test_a_group_name_may_have_any_other_character(name: str) -> None:
    assert read_name(name, "group") == name


def test_an_optional_text_is_a_text_or_none() -> None:
    assert read_optional_text(None, "userId") is None
    with pytest.raises(BadRequestError) as caught:
        read_optional_text(1, "userId")
    assert caught.value.field == "userId"


@pytest.mark.parametrize("host", ["[", "[::1", "]", "a]b", "[x]", "a\u2100b"])
@pytest.mark.parametrize("query", ["", "?userId=ana"])
def test_a_host_that_no_url_can_have_is_a_bad_request(host: str, query: str) -> None:
    """The URL of a request has its `Host` header, which the client writes."""
    with pytest.raises(BadRequestError):
        read_query(f"http://{host}/api/negotiate{query}")


def test_a_body_in_chunks_that_did_not_arrive_is_refused() -> None:
    """If the platform gathered the chunks, there is a body, and it is read."""
    chunked = func.HttpRequest("POST", "/", headers={"Transfer-Encoding": "chunked"}, body=b"")
    with pytest.raises(LengthRequiredError):
        check_length(chunked.headers, b"")
    assert check_length(chunked.headers, b"{}") == b"{}"
    assert check_length({}, b"") == b""
