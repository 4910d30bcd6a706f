from typing import Any

import pytest

from tests.usher.settings import make_settings
from usher.door import policy
from usher.door.callers import Caller
from usher.door.policy import Policy
from usher.door.policy_file import parse_rules
from usher.door.seal import GROUPS_STATE
from usher.errors import BadEventError, BadRequestError, ForbiddenError, ForeignOriginError
from usher.settings import Connection

ANA = Caller("ana")
MANY_GROUPS = make_settings()
SINGLE_GROUP = make_settings(single_group=True)
NO_SECRET = make_settings(connection=Connection("https://demo.webpubsub.azure.com"))
OPEN = parse_rules(
    {"rules": [{"caller": "any", "group": "*", "allow": ["join", "send", "roster"]}]}, "open"
)


def test_groups_are_granted_in_order_without_duplicates() -> None:
    assert Policy(MANY_GROUPS, OPEN).grant(ANA, ["b", "a", "b"])[0] == ["b", "a"]


@pytest.mark.parametrize("settings", [MANY_GROUPS, SINGLE_GROUP])
def test_a_request_without_a_group_gets_the_default_group(settings: Any) -> None:
    assert Policy(settings, OPEN).grant(ANA, [])[0] == ["lobby"]


@pytest.mark.parametrize(
    "group", ["", "  ", "g" * 1025, "a/b", ".", "..", "a ", "a\u200b", "n\u0303"]
)
def test_invalid_group_names(group: str) -> None:
    """One invalid name refuses the whole request."""
    with pytest.raises(BadRequestError) as caught:
        Policy(MANY_GROUPS, OPEN).grant(ANA, ["lobby", group])
    assert caught.value.field == "group"


def test_single_group_grants_only_the_default_group() -> None:
    """The request may ask for the default group by name."""
    assert Policy(SINGLE_GROUP, OPEN).grant(ANA, ["lobby"])[0] == ["lobby"]
    with pytest.raises(ForbiddenError):
        Policy(SINGLE_GROUP, OPEN).grant(ANA, ["lobby", "vip"])


def test_the_roles_of_a_provisioned_token() -> None:
    """The user gets the roles of `negotiate`, and no token that `connect` would refuse.

    Without a user there is no role: messages of such a client would look like the app's own.
    """
    quiet = {"caller": "any", "group": "quiet", "allow": ["join"]}
    blue = {"caller": "any", "group": "blue", "allow": ["join", "send"]}
    rules = parse_rules({"rules": [quiet, blue]}, "policy")
    assert Policy(MANY_GROUPS, rules).provision_roles("ana", "blue") == [
        "webpubsub.sendToGroup.blue"
    ]
    for user_id, group in (("ana", "quiet"), (None, "blue")):
        assert Policy(MANY_GROUPS, rules).provision_roles(user_id, group) == []
    for settings, group in ((MANY_GROUPS, "green"), (SINGLE_GROUP, "blue")):
        with pytest.raises(ForbiddenError) as caught:
            Policy(settings, rules).provision_roles("ana", group)
        assert caught.value.field == "group"


def test_each_role_is_for_one_group() -> None:
    """The role without a group would allow sending to every group."""
    assert Policy(MANY_GROUPS, OPEN).grant(ANA, ["a", "b.c"])[1] == [
        "webpubsub.sendToGroup.a",
        "webpubsub.sendToGroup.b.c",
    ]


RULES = parse_rules(
    {
        "rules": [
            {"caller": "any", "group": "lobby", "allow": ["join", "roster"]},
            {"caller": "any", "group": "user-{userId}", "allow": ["join", "send"]},
            {"caller": {"claim": "role", "value": "speaker"}, "group": "stage", "allow": ["join"]},
        ]
    },
    "policy.json",
)
SPEAKER = Caller("ana", {"role": frozenset({"speaker"})})


@pytest.mark.parametrize(
    ("caller", "groups"),
    [(ANA, []), (ANA, ["lobby", "user-ana"]), (SPEAKER, ["stage"])],
)
def test_groups_that_the_policy_allows(caller: Caller, groups: list[str]) -> None:
    """By name, by user id and by claim; the default group needs a rule as well."""
    assert Policy(MANY_GROUPS, RULES).grant(caller, groups)[0] == (groups or ["lobby"])


@pytest.mark.parametrize("group", ["user-bo", "stage", "nowhere", "user-{userId}", "user-*"])
def test_forbidden_and_unknown_groups_get_the_same_answer(group: str) -> None:
    """One such group refuses the whole request."""
    with pytest.raises(ForbiddenError) as caught:
        Policy(MANY_GROUPS, RULES).grant(ANA, ["lobby", group])
    assert (caught.value.detail, caught.value.field) == (policy.NO_SUCH_GROUP, "group")


def test_a_default_group_without_a_rule_is_forbidden() -> None:
    with pytest.raises(ForbiddenError):
        Policy(make_settings(default_group="hall"), RULES).grant(ANA, [])


def test_roles_are_for_groups_where_sending_is_allowed() -> None:
    """In the other groups the caller only receives."""
    roles = Policy(MANY_GROUPS, RULES).grant(ANA, ["lobby", "user-ana"])[1]
    assert roles == ["webpubsub.sendToGroup.user-ana"]


def test_the_roster_is_a_right_of_its_own() -> None:
    """`join` does not include it."""
    Policy(MANY_GROUPS, RULES).check_roster(ANA, "lobby")
    for group in ("user-ana", "nowhere"):
        with pytest.raises(ForbiddenError, match=policy.NO_SUCH_GROUP):
            Policy(MANY_GROUPS, RULES).check_roster(ANA, group)


@pytest.mark.parametrize(
    ("user_id", "groups"),
    [("ana", ("lobby", "user-ana")), (None, ("lobby",)), ("ana", ("stage",))],
)
def test_tokens_whose_groups_are_allowed(user_id: str | None, groups: tuple[str, ...]) -> None:
    """The token has no claims, so a rule for a claim could match every user."""
    assert Policy(MANY_GROUPS, RULES).admit(user_id, groups) == list(groups)


@pytest.mark.parametrize(
    ("user_id", "groups"),
    [("ana", ("lobby", "user-bo")), (None, ("user-ana",)), ("ana", ("closed-room",))],
)
def test_tokens_whose_groups_are_no_longer_allowed(
    user_id: str | None, groups: tuple[str, ...]
) -> None:
    """The token of another user, a token without a user, and a group without a rule."""
    with pytest.raises(BadEventError, match="no longer"):
        Policy(MANY_GROUPS, RULES).admit(user_id, groups)


SERVICE = "https://demo.webpubsub.azure.com"
ONE_ORIGIN = make_settings(mode="anonymous", allowed_origins=frozenset({"https://a.example"}))


@pytest.mark.parametrize(
    "origins", [(), (SERVICE,), ("https://a.example",), ("HTTPS://A.example",)]
)
def test_origins_that_may_connect(origins: tuple[str, ...]) -> None:
    """A client without an origin, the service's own origin, and the configured origins."""
    Policy(ONE_ORIGIN, OPEN).check_origins(origins)


@pytest.mark.parametrize(
    "origin", ["https://b.example", "http://a.example", "https://a.example:444", "null", "", "["]
)
def test_origins_that_may_not_connect(origin: str) -> None:
    """Another host, scheme or port, and an origin that is no URL."""
    with pytest.raises(BadEventError):
        Policy(ONE_ORIGIN, OPEN).check_origins((origin,))


def test_one_foreign_origin_of_several_refuses_the_connection() -> None:
    with pytest.raises(BadEventError):
        Policy(ONE_ORIGIN, OPEN).check_origins((SERVICE, "https://b.example"))
    with pytest.raises(ForeignOriginError):  # logged as a warning
        Policy(ONE_ORIGIN, OPEN).check_origins(("https://b.example",))


def test_every_origin_may_connect_in_local_mode() -> None:
    Policy(make_settings(), OPEN).check_origins(("http://localhost:3000",))


def test_groups_of_a_token_are_admitted_without_duplicates() -> None:
    assert Policy(MANY_GROUPS, OPEN).admit("ana", ("b", "a", "b")) == ["b", "a"]


@pytest.mark.parametrize(
    ("settings", "groups"),
    [
        (MANY_GROUPS, ()),
        (MANY_GROUPS, ("a", " ")),
        (MANY_GROUPS, ("..",)),
        (SINGLE_GROUP, ("a",)),
        (SINGLE_GROUP, ()),
    ],
)
def test_tokens_that_are_not_admitted(settings: Any, groups: tuple[str, ...]) -> None:
    """No group, an invalid group, or a group other than the single group."""
    with pytest.raises(BadEventError):
        Policy(settings, OPEN).admit("ana", groups)


def test_a_token_with_too_many_groups_is_not_admitted() -> None:
    """Each group would cost two REST calls. Repeated groups count once."""
    policy = Policy(make_settings(most_groups=2), OPEN)
    assert policy.admit("ana", ("a", "b", "a")) == ["a", "b"]
    with pytest.raises(BadEventError):
        policy.admit("ana", ("a", "b", "c"))


def groups_of(policy: Policy, user_id: str | None, *groups: str) -> list[str]:
    """Return the groups of a connection that `connect` admitted to these groups."""
    return policy.groups_of("c-1", user_id, policy.seal.write("c-1", user_id, groups, "1" * 32))


def test_groups_of_a_connection_come_from_its_state() -> None:
    """`connect` wrote them there."""
    assert groups_of(Policy(MANY_GROUPS, OPEN), "ana", "a", "b") == ["a", "b"]


def test_groups_of_a_connection_are_those_that_the_policy_still_allows() -> None:
    """The policy is the only check where there is no secret for a seal."""
    for settings in (MANY_GROUPS, NO_SECRET):
        policy = Policy(settings, RULES)
        assert groups_of(policy, "ana", "lobby", "user-bo", "user-ana") == ["lobby", "user-ana"]
        for user_id, group in (("ana", "user-bo"), ("ana", "vault"), (None, "user-ana")):
            with pytest.raises(BadEventError, match="policy"):
                groups_of(policy, user_id, group)


def test_single_group_needs_no_state() -> None:
    """For hubs that do not send `connect`; a state is ignored."""
    policy = Policy(SINGLE_GROUP, OPEN)
    assert policy.groups_of("c-1", "ana", {}) == ["lobby"]
    assert policy.groups_of("c-1", "ana", {GROUPS_STATE: ["vip"]}) == ["lobby"]
    with pytest.raises(BadEventError, match="policy"):
        Policy(SINGLE_GROUP, parse_rules({"rules": []}, "empty")).groups_of("c-1", "ana", {})


TOKEN_ROLES = ("webpubsub.sendToGroup.a", "webpubsub.sendToGroup.b", "webpubsub.sendToGroup")


def test_a_connection_keeps_the_roles_that_the_policy_still_allows() -> None:
    """A role for every group, and roles for groups that were not admitted, are dropped."""
    assert Policy(MANY_GROUPS, OPEN).keep_roles("ana", ["a"], TOKEN_ROLES) == [
        "webpubsub.sendToGroup.a"
    ]
    quiet = {"caller": "any", "group": "a", "allow": ["join"]}
    loud = {"caller": "any", "group": "b", "allow": ["join", "send"]}
    withdrawn = Policy(MANY_GROUPS, parse_rules({"rules": [quiet, loud]}, "policy"))
    assert withdrawn.keep_roles("ana", ["a", "b"], TOKEN_ROLES) == ["webpubsub.sendToGroup.b"]
    assert withdrawn.keep_roles("ana", ["a"], TOKEN_ROLES) == []


def test_a_connection_gets_no_role_that_its_token_does_not_have() -> None:
    """The user could send with some claims, but `negotiate` saw other ones."""
    caller = {"claim": "role", "value": "speaker"}
    speaker = {"caller": caller, "group": "a", "allow": ["join", "send"]}
    rules = parse_rules({"rules": [speaker]}, "policy")
    assert rules.could_send("ana", "a")
    assert Policy(MANY_GROUPS, rules).keep_roles("ana", ["a"], ()) == []


def test_a_connection_without_a_user_may_not_send() -> None:
    """Its messages would look like the app's own."""
    assert Policy(MANY_GROUPS, OPEN).keep_roles(None, ["a"], TOKEN_ROLES) == []


def test_a_state_with_too_many_groups_is_refused() -> None:
    """Without a seal, a forged event could cost any number of REST calls."""
    policy = Policy(make_settings(most_groups=2), OPEN)
    assert groups_of(policy, "ana", "a", "b") == ["a", "b"]
    with pytest.raises(BadEventError):
        groups_of(policy, "ana", "a", "b", "c")
