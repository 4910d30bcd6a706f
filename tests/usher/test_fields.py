import pytest

from usher.errors import BadRequestError
from usher.fields import read_name, read_optional_text


@pytest.mark.parametrize("name", [1, None, "", " ", "a/b", ".", "..", "g" * 1025, "\ud800"])
def test_bad_group_names(name: object) -> None:
    """What no REST call can reach is no name; the problem says which field it is."""
    with pytest.raises(BadRequestError) as caught:
        read_name(name, "room")
    assert caught.value.field == "room"


@pytest.mark.parametrize("name", ["a,b", "Ñandú 日本", "'\"", "g" * 1024, "a%2Fb"])
def test_group_names(name: str) -> None:
    """Any script, and any other character."""
    assert read_name(name, "group") == name


def test_a_text_that_may_be_missing() -> None:
    """None stays None; a number is no text."""
    assert read_optional_text(None, "userId") is None
    with pytest.raises(BadRequestError, match="userId must be text"):
        read_optional_text(1, "userId")
