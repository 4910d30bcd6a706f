"""Tests of permissions.py."""

import pytest

from webpubsub_emulator.permissions import (
    LITERAL_LIMIT,
    PATTERN_LIMIT,
    Action,
    PermissionLimitError,
    Permissions,
)


@pytest.mark.parametrize(
    ("role", "action", "group", "allowed"),
    [
        ("webpubsub.joinLeaveGroup", "joinLeaveGroup", "any", True),
        ("webpubsub.joinLeaveGroup", "sendToGroup", "any", False),
        ("webpubsub.sendToGroup.a", "sendToGroup", "a", True),
        ("webpubsub.sendToGroup.a", "sendToGroup", "A", False),
        ("webpubsub.sendToGroup.a", "joinLeaveGroup", "a", False),
        ("webpubsub.sendToGroup.*", "sendToGroup", "a", False),
        ("webpubsub.sendToGroup.*", "sendToGroup", "*", True),
        ("webpubsub.sendToGroup.a.b", "sendToGroup", "a.b", True),
        ("webpubsub.sendToGroup. ", "sendToGroup", " ", False),
        ("webpubsub.sendToGroups", "sendToGroup", "a", False),
        ("webpubsub.sendToGroups.a*", "sendToGroup", "abc", True),
        ("webpubsub.sendToGroups.a*", "sendToGroup", "a.b", False),
        ("webpubsub.sendToGroups.a*", "joinLeaveGroup", "abc", False),
        ("webpubsub.joinLeaveGroups.**", "joinLeaveGroup", "a.b", True),
        ("webpubsub.joinLeaveGroups.?", "joinLeaveGroup", "a", True),
        (r"webpubsub.joinLeaveGroups.a\*", "joinLeaveGroup", "a*", True),
        (r"webpubsub.joinLeaveGroups.a\*", "joinLeaveGroup", "ab", False),
        ("webpubsub.joinLeaveGroups.******", "joinLeaveGroup", "a", False),
        ("webpubsub.SendToGroup", "sendToGroup", "a", False),
        ("", "sendToGroup", "a", False),
    ],
)
def test_roles(role: str, action: Action, group: str, allowed: bool) -> None:
    """A bare role allows every group, a longer one its group, a plural one matching groups."""
    assert Permissions.from_roles([role]).allow(action, group) is allowed


def test_patterns_count_in_the_order_of_the_roles() -> None:
    """The first nine patterns in sorted order count; roles without wildcards do not count."""
    letters = "abcdefghijk"
    roles = [f"webpubsub.sendToGroups.{letter}*" for letter in reversed(letters)]
    subject = Permissions.from_roles([*roles, "webpubsub.sendToGroups.z", "webpubsub.x"])
    allowed = [letter for letter in letters if subject.allow("sendToGroup", f"{letter}1")]
    assert allowed == list(letters[:PATTERN_LIMIT])
    assert subject.allow("sendToGroup", "z")


def test_two_stars_alone_mean_any_group() -> None:
    """They do not count as a pattern, and allow every group after any number of patterns."""
    roles = [f"webpubsub.sendToGroups.!{number}*" for number in range(PATTERN_LIMIT)]
    subject = Permissions.from_roles([*roles, "webpubsub.sendToGroups.**"])
    assert subject.allow("sendToGroup", "any.group")


@pytest.mark.parametrize("role", ["webpubsub.sendToGroup", "webpubsub.sendToGroups.r*"])
def test_a_revocation_denies_one_group(role: str) -> None:
    """Only this group is denied, despite a role for many groups, until it is granted again."""
    subject = Permissions.from_roles([role])
    subject.revoke("sendToGroup", "room")
    assert not subject.allow("sendToGroup", "room")
    assert subject.allow("sendToGroup", "room2")
    subject.grant("sendToGroup", "room")
    assert subject.allow("sendToGroup", "room")


def test_grants_are_for_one_action_and_one_group() -> None:
    """A grant has no wildcards, and a repeated grant changes nothing."""
    subject = Permissions.from_roles([])
    for _ in range(2):
        subject.grant("joinLeaveGroup", "*")
    assert subject.allow("joinLeaveGroup", "*")
    assert not subject.allow("joinLeaveGroup", "a")
    assert not subject.allow("sendToGroup", "*")
    for _ in range(2):
        subject.revoke("joinLeaveGroup", "*")
    assert not subject.allow("joinLeaveGroup", "*")


@pytest.mark.parametrize("revoke", [False, True])
def test_rules_of_single_groups_have_a_limit(revoke: bool) -> None:
    """1,000 for each action; one more is refused and changes nothing."""
    subject = Permissions.from_roles(["webpubsub.sendToGroup"] if revoke else [])
    change = subject.revoke if revoke else subject.grant
    for number in range(LITERAL_LIMIT):
        change("sendToGroup", f"g{number}")
    change("sendToGroup", "g0")
    with pytest.raises(PermissionLimitError):
        change("sendToGroup", "one more")
    assert subject.allow("sendToGroup", "one more") is revoke
    subject.grant("joinLeaveGroup", "other action")
    (subject.grant if revoke else subject.revoke)("sendToGroup", "g0")
    change("sendToGroup", "one more")
    assert subject.allow("sendToGroup", "one more") is not revoke


def test_roles_beyond_the_limit_are_ignored() -> None:
    """The token is accepted."""
    names = [f"g{number:04}" for number in range(LITERAL_LIMIT + 1)]
    subject = Permissions.from_roles(f"webpubsub.sendToGroup.{name}" for name in names)
    assert [subject.allow("sendToGroup", name) for name in names[-2:]] == [True, False]


def test_rules_can_be_inspected() -> None:
    """The rule for any group, the patterns as written, and groups with rules of their own."""
    roles = ["webpubsub.sendToGroup", r"webpubsub.sendToGroups.a\*.?.**"]
    subject = Permissions.from_roles(roles)
    subject.revoke("sendToGroup", "g")
    subject.grant("joinLeaveGroup", "h")
    patterns = [r"a\*.?.**"]
    expected = {"anyGroup": True, "patterns": patterns, "groups": {"g": False}}
    assert subject.rules("sendToGroup") == expected
    assert subject.rules("joinLeaveGroup")["groups"] == {"h": True}
