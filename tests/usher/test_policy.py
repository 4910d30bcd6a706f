from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher import policy
from usher.callers import Caller
from usher.errors import BadEventError, BadRequestError, ForbiddenError

ANA = Caller("ana")
MANY = make_settings()
SINGLE = make_settings(single_group=True)


def test_wanted_groups_are_granted_once_in_order() -> None:
    """Repeating a group changes nothing."""
    assert policy.grant_groups(MANY, ANA, ["b", "a", "b"]) == ["b", "a"]


@pytest.mark.parametrize("settings", [MANY, SINGLE])
def test_no_wish_means_the_default_group(settings: Any) -> None:
    """Everybody ends up somewhere."""
    assert policy.grant_groups(settings, ANA, []) == ["lobby"]


@pytest.mark.parametrize("group", ["", "  ", "g" * 1025, "a/b", ".", ".."])
def test_bad_group_names(group: str) -> None:
    """One bad name refuses the whole request."""
    with pytest.raises(BadRequestError) as caught:
        policy.grant_groups(MANY, ANA, ["lobby", group])
    assert caught.value.field == "group"


def test_single_group_grants_no_other() -> None:
    """Asking for the default group by name is fine."""
    assert policy.grant_groups(SINGLE, ANA, ["lobby"]) == ["lobby"]
    with pytest.raises(ForbiddenError):
        policy.grant_groups(SINGLE, ANA, ["lobby", "vip"])


def test_roles_name_each_group_exactly() -> None:
    """Never the bare role, which would be any group."""
    assert policy.roles_in(["a", "b.c"]) == ["webpubsub.sendToGroup.a", "webpubsub.sendToGroup.b.c"]


HOST = "https://demo.webpubsub.azure.com"
NAMED = make_settings(auth="anonymous", allowed_origins=frozenset({"https://a.example"}))


@pytest.mark.parametrize("origins", [(), (HOST,), ("https://a.example",), ("HTTPS://A.example",)])
def test_origins_that_may_connect(origins: tuple[str, ...]) -> None:
    """No browser, the service's own host, and the pages that are named."""
    policy.check_origins(NAMED, origins)


@pytest.mark.parametrize(
    "origin", ["https://b.example", "http://a.example", "https://a.example:444", "null", "", "["]
)
def test_origins_that_may_not(origin: str) -> None:
    """Another host, scheme or port, and none at all."""
    with pytest.raises(BadEventError):
        policy.check_origins(NAMED, (origin,))


def test_any_page_may_connect_in_development() -> None:
    """Local mode believes everybody anyway."""
    policy.check_origins(make_settings(), ("http://localhost:3000",))


def test_groups_of_a_token_are_admitted_once() -> None:
    """The token was signed by the service's key; its groups are what counts."""
    assert policy.admit_groups(MANY, ("b", "a", "b")) == ["b", "a"]


@pytest.mark.parametrize(
    ("settings", "groups"),
    [(MANY, ()), (MANY, ("a", " ")), (MANY, ("..",)), (SINGLE, ("a",)), (SINGLE, ())],
)
def test_tokens_that_are_not_admitted(settings: Any, groups: tuple[str, ...]) -> None:
    """No group, a bad one, or another one than the single group."""
    with pytest.raises(BadEventError):
        policy.admit_groups(settings, groups)


def test_groups_come_from_the_state() -> None:
    """What `connect` noted is what `connected` reads."""
    assert policy.groups_of(MANY, {policy.GROUPS_STATE: ["a", "b"], "other": 1}) == ["a", "b"]


@pytest.mark.parametrize(
    "groups", [None, [], "lobby", {"lobby": 1}, [1], [" "], [".."], ["a", None]]
)
def test_states_that_name_no_groups(groups: object) -> None:
    """Whoever has no valid state is added nowhere."""
    with pytest.raises(BadEventError):
        policy.groups_of(MANY, {policy.GROUPS_STATE: groups})


def test_no_state_at_all_says_what_to_look_at() -> None:
    """The usual cause is an event handler that does not send `connect`."""
    with pytest.raises(BadEventError, match="USHER_SINGLE_GROUP"):
        policy.groups_of(MANY, {})


def test_single_group_needs_no_state() -> None:
    """For hubs that do not send `connect`; a state there is changes nothing."""
    assert policy.groups_of(SINGLE, {}) == ["lobby"]
    assert policy.groups_of(SINGLE, {policy.GROUPS_STATE: ["vip"]}) == ["lobby"]
