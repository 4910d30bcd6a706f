from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher.door import policy
from usher.door.callers import Caller
from usher.door.policy import Policy
from usher.door.policy_file import parse_rules
from usher.errors import BadEventError, BadRequestError, ForbiddenError

ANA = Caller("ana")
MANY = make_settings()
SINGLE = make_settings(single_group=True)
OPEN = parse_rules(
    {"rules": [{"caller": "any", "group": "*", "allow": ["join", "send", "roster"]}]}, "open"
)


def test_wanted_groups_are_granted_once_in_order() -> None:
    """Repeating a group changes nothing."""
    assert Policy(MANY, OPEN).grant_groups(ANA, ["b", "a", "b"]) == ["b", "a"]


@pytest.mark.parametrize("settings", [MANY, SINGLE])
def test_no_wish_means_the_default_group(settings: Any) -> None:
    """Everybody ends up somewhere."""
    assert Policy(settings, OPEN).grant_groups(ANA, []) == ["lobby"]


@pytest.mark.parametrize("group", ["", "  ", "g" * 1025, "a/b", ".", ".."])
def test_bad_group_names(group: str) -> None:
    """One bad name refuses the whole request."""
    with pytest.raises(BadRequestError) as caught:
        Policy(MANY, OPEN).grant_groups(ANA, ["lobby", group])
    assert caught.value.field == "group"


def test_single_group_grants_no_other() -> None:
    """Asking for the default group by name is fine."""
    assert Policy(SINGLE, OPEN).grant_groups(ANA, ["lobby"]) == ["lobby"]
    with pytest.raises(ForbiddenError):
        Policy(SINGLE, OPEN).grant_groups(ANA, ["lobby", "vip"])


def test_roles_of_a_token_that_an_administrator_asks_for() -> None:
    """What the user could have from negotiate; a token that `connect` would refuse is none."""
    news = {"caller": "any", "group": "news", "allow": ["join"]}
    blue = {"caller": "any", "group": "blue", "allow": ["join", "send"]}
    rules = parse_rules({"rules": [news, blue]}, "policy")
    assert Policy(MANY, rules).provision_roles(None, "blue") == ["webpubsub.sendToGroup.blue"]
    assert Policy(MANY, rules).provision_roles("ana", "news") == []
    for settings, group in ((MANY, "green"), (SINGLE, "blue")):
        with pytest.raises(ForbiddenError) as caught:
            Policy(settings, rules).provision_roles("ana", group)
        assert caught.value.field == "group"


def test_roles_name_each_group_exactly() -> None:
    """Never the bare role, which would be any group."""
    assert Policy(MANY, OPEN).grant_roles(ANA, ["a", "b.c"]) == [
        "webpubsub.sendToGroup.a",
        "webpubsub.sendToGroup.b.c",
    ]


RULES = parse_rules(
    {
        "rules": [
            {"caller": "any", "group": "lobby", "allow": ["join", "roster"]},
            {"caller": "any", "group": "user-{userId}", "allow": ["join", "send"]},
            {"caller": {"claim": "role", "value": "host"}, "group": "stage", "allow": ["join"]},
        ]
    },
    "policy.json",
)
HOSTESS = Caller("ana", {"role": frozenset({"host"})})


@pytest.mark.parametrize(
    ("caller", "wanted"),
    [(ANA, []), (ANA, ["lobby", "user-ana"]), (HOSTESS, ["stage"])],
)
def test_groups_that_the_policy_allows(caller: Caller, wanted: list[str]) -> None:
    """All that are wanted, by name, by user and by claim; the default one is one of them."""
    assert Policy(MANY, RULES).grant_groups(caller, wanted) == (wanted or ["lobby"])


@pytest.mark.parametrize("group", ["user-bo", "stage", "nowhere", "user-{userId}", "user-*"])
def test_forbidden_and_unknown_groups_look_alike(group: str) -> None:
    """One of them refuses the whole request, in the same words."""
    with pytest.raises(ForbiddenError) as caught:
        Policy(MANY, RULES).grant_groups(ANA, ["lobby", group])
    assert (caught.value.detail, caught.value.field) == (policy.NO_SUCH_GROUP, "group")


def test_the_default_group_takes_a_rule_as_well() -> None:
    """Whoever asks for nothing gets nothing that is not allowed."""
    with pytest.raises(ForbiddenError):
        Policy(make_settings(default_group="hall"), RULES).grant_groups(ANA, [])


def test_roles_are_for_groups_where_sending_is_allowed() -> None:
    """The others can only be heard."""
    roles = Policy(MANY, RULES).grant_roles(ANA, ["lobby", "user-ana"])
    assert roles == ["webpubsub.sendToGroup.user-ana"]


def test_who_may_see_the_roster() -> None:
    """A right of its own."""
    Policy(MANY, RULES).check_roster(ANA, "lobby")
    for group in ("user-ana", "nowhere"):
        with pytest.raises(ForbiddenError, match=policy.NO_SUCH_GROUP):
            Policy(MANY, RULES).check_roster(ANA, group)


@pytest.mark.parametrize(
    ("user_id", "groups"),
    [("ana", ("lobby", "user-ana")), (None, ("lobby",)), ("ana", ("stage",))],
)
def test_tokens_whose_groups_are_allowed(user_id: str | None, groups: tuple[str, ...]) -> None:
    """Of a rule that asks for a claim the token cannot tell; somebody could have it."""
    assert Policy(MANY, RULES).admit(user_id, groups) == list(groups)


@pytest.mark.parametrize(
    ("user_id", "groups"),
    [("ana", ("lobby", "user-bo")), (None, ("user-ana",)), ("ana", ("closed-room",))],
)
def test_tokens_whose_groups_are_not_allowed_any_more(
    user_id: str | None, groups: tuple[str, ...]
) -> None:
    """A token of another user, of nobody, and from before the rule went."""
    with pytest.raises(BadEventError, match="no longer"):
        Policy(MANY, RULES).admit(user_id, groups)


@pytest.mark.parametrize("states", [{"groups": "lobby"}, {"other": 1}, {"groups": [".."]}])
def test_states_of_a_connection_that_is_being_made(states: dict[str, Any]) -> None:
    """It has none, or else one that Usher wrote."""
    policy.check_new_state({})
    policy.check_new_state({policy.GROUPS_STATE: ["lobby"]})
    with pytest.raises(BadEventError):
        policy.check_new_state(states)


HOST = "https://demo.webpubsub.azure.com"
NAMED = make_settings(mode="anonymous", allowed_origins=frozenset({"https://a.example"}))


@pytest.mark.parametrize("origins", [(), (HOST,), ("https://a.example",), ("HTTPS://A.example",)])
def test_origins_that_may_connect(origins: tuple[str, ...]) -> None:
    """No browser, the service's own host, and the pages that are named."""
    Policy(NAMED, OPEN).check_origins(origins)


@pytest.mark.parametrize(
    "origin", ["https://b.example", "http://a.example", "https://a.example:444", "null", "", "["]
)
def test_origins_that_may_not(origin: str) -> None:
    """Another host, scheme or port, and none at all."""
    with pytest.raises(BadEventError):
        Policy(NAMED, OPEN).check_origins((origin,))


def test_any_page_may_connect_in_development() -> None:
    """Local mode believes everybody anyway."""
    Policy(make_settings(), OPEN).check_origins(("http://localhost:3000",))


def test_groups_of_a_token_are_admitted_once() -> None:
    """The token was signed by the service's key; its groups are what counts."""
    assert Policy(MANY, OPEN).admit("ana", ("b", "a", "b")) == ["b", "a"]


@pytest.mark.parametrize(
    ("settings", "groups"),
    [(MANY, ()), (MANY, ("a", " ")), (MANY, ("..",)), (SINGLE, ("a",)), (SINGLE, ())],
)
def test_tokens_that_are_not_admitted(settings: Any, groups: tuple[str, ...]) -> None:
    """No group, a bad one, or another one than the single group."""
    with pytest.raises(BadEventError):
        Policy(settings, OPEN).admit("ana", groups)


def test_groups_come_from_the_state() -> None:
    """What `connect` noted is what `connected` reads."""
    assert Policy(MANY, OPEN).groups_of({policy.GROUPS_STATE: ["a", "b"], "other": 1}) == ["a", "b"]


@pytest.mark.parametrize(
    "groups", [None, [], "lobby", {"lobby": 1}, [1], [" "], [".."], ["a", None]]
)
def test_states_that_name_no_groups(groups: object) -> None:
    """Whoever has no valid state is added nowhere."""
    with pytest.raises(BadEventError):
        Policy(MANY, OPEN).groups_of({policy.GROUPS_STATE: groups})


def test_no_state_at_all_says_what_to_look_at() -> None:
    """The usual cause is an event handler that does not send `connect`."""
    with pytest.raises(BadEventError, match="USHER_SINGLE_GROUP"):
        Policy(MANY, OPEN).groups_of({})


def test_single_group_needs_no_state() -> None:
    """For hubs that do not send `connect`; a state there is changes nothing."""
    assert Policy(SINGLE, OPEN).groups_of({}) == ["lobby"]
    assert Policy(SINGLE, OPEN).groups_of({policy.GROUPS_STATE: ["vip"]}) == ["lobby"]
