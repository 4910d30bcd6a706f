import pytest

from tests.usher.settings import make_settings
from usher.callers import Caller, identify_caller
from usher.errors import BadRequestError, NotReadyError


def test_without_a_mode_nobody_gets_in() -> None:
    """The problem says which setting is missing."""
    with pytest.raises(NotReadyError, match="USHER_AUTH"):
        identify_caller(make_settings(auth=None), "ana")


def test_local_mode_believes_the_request() -> None:
    """Names of any script are fine."""
    assert identify_caller(make_settings(), "Ana Ñandú 日本") == Caller("Ana Ñandú 日本")


def test_local_mode_invents_guests() -> None:
    """Two callers without a name are two people."""
    first, second = (identify_caller(make_settings(), None).user_id for _ in range(2))
    assert first.startswith("guest-")
    assert first != second


@pytest.mark.parametrize("user_id", ["", "  ", "a\nb", "a\x00b", "\u202ea", "\ud800"])
def test_names_that_cannot_be_shown(user_id: str) -> None:
    """Blank, control and direction characters are refused."""
    with pytest.raises(BadRequestError) as caught:
        identify_caller(make_settings(), user_id)
    assert caught.value.field == "userId"
