import pytest

from usher.door.callers import Caller
from usher.door.rules import GroupPattern, Rule, Rules

ANA = Caller("ana", {"team": frozenset({"red"}), "groups": frozenset({"a", "b-c"})})


def matches(pattern: str, group: str, caller: Caller = ANA) -> bool:
    return Rule(GroupPattern(pattern), frozenset()).matches(caller, group)


@pytest.mark.parametrize(
    ("pattern", "group"),
    [
        ("lobby", "lobby"),
        ("*", "anything at all"),
        ("room-*", "room-1"),
        ("room-*", "room-1\n2"),
        ("user-{userId}", "user-ana"),
        ("{userId}", "ana"),
        ("team-{claim:team}", "team-red"),
        ("team-{claim:team}.*", "team-red.x.y"),
        ("{claim:team}:{userId}:{userId}", "red:ana:ana"),
        ("of-{claim:groups}", "of-a"),
        ("of-{claim:groups}", "of-b-c"),
    ],
)
def test_groups_that_match(pattern: str, group: str) -> None:
    """By name, by user id, by a claim with one value or several, and with any ending."""
    assert matches(pattern, group)


@pytest.mark.parametrize(
    ("pattern", "group"),
    [
        ("lobby", "Lobby"),
        ("lobby", "lobby2"),
        ("lobby", "lobb"),
        ("room-*", "room-"),
        ("room-*", "room"),
        ("user-{userId}", "user-"),
        ("user-{userId}", "user-bo"),
        ("user-{userId}", "user-{userId}"),
        ("team-{claim:team}", "team-blue"),
        ("team-{claim:colour}", "team-red"),
        ("{claim:team}:{userId}", "red:ana:ana"),
        ("of-{claim:groups}-*", "of-b-c-d"),
    ],
)
def test_groups_that_do_not_match(pattern: str, group: str) -> None:
    """Names are case-sensitive, and `*` is at least one character."""
    assert not matches(pattern, group)


def test_a_placeholder_ends_at_the_first_occurrence_of_the_next_character() -> None:
    """Otherwise tenant `a.b` could enter groups of tenant `a`."""
    short = Caller("x", {"tenant": frozenset({"a"})})
    long = Caller("y", {"tenant": frozenset({"a.b"})})
    assert matches("{claim:tenant}.*", "a.b.c", short)
    assert not matches("{claim:tenant}.*", "a.b.c", long)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("a*b", "end"),
        ("**", "end"),
        ("{userId}{userId}", "between"),
        ("{claim:a}*", "between"),
        ("{user}", "braces"),
        ("{claim:}", "braces"),
        ("a{", "braces"),
        ("a}", "braces"),
    ],
)
def test_invalid_patterns(pattern: str, problem: str) -> None:
    """The error says what is wrong."""
    with pytest.raises(ValueError, match=problem):
        GroupPattern(pattern)


def rule(pattern: str, *rights: str, user: str | None = None, claim: str = "") -> Rule:
    named = (claim, "yes") if claim else None
    return Rule(GroupPattern(pattern), frozenset(rights), user=user, claim=named)


RULES = Rules(
    [
        rule("*", user="banned"),
        rule("lobby", "join", user="ana"),
        rule("lobby", claim="muted"),
        rule("lobby", "join", "roster"),
        rule("vip-*", "join", claim="vip"),
        rule("team-{claim:team}", "join"),
        rule("user-{userId}", "join"),
        rule("closed"),
        rule("closed", "join"),
        rule("squad-{claim:squad}"),
        rule("squad-*", "join"),
    ]
)
YES = frozenset({"yes"})


@pytest.mark.parametrize(
    ("caller", "group", "rights"),
    [
        (Caller("ana"), "lobby", {"join"}),
        (Caller("bo"), "lobby", {"join", "roster"}),
        (Caller("bo", {"muted": YES}), "lobby", set[str]()),
        (Caller("bo", {"muted": frozenset({"no"})}), "lobby", {"join", "roster"}),
        (Caller("banned"), "lobby", set[str]()),
        (Caller("bo"), "vip-1", set[str]()),
        (Caller("bo", {"vip": YES}), "vip-1", {"join"}),
        (Caller("bo"), "closed", set[str]()),
        (Caller("bo"), "unknown", set[str]()),
    ],
)
def test_the_first_matching_rule_wins(caller: Caller, group: str, rights: set[str]) -> None:
    """Even if it grants nothing; without a matching rule nothing is allowed."""
    assert RULES.rights(caller, group) == rights


@pytest.mark.parametrize(
    ("user_id", "group", "could"),
    [
        ("ana", "lobby", True),
        (None, "lobby", True),
        ("banned", "lobby", False),
        ("bo", "vip-1", True),
        ("bo", "team-red", True),
        ("bo", "user-bo", True),
        ("bo", "squad-1", True),
        ("bo", "user-ana", False),
        (None, "user-ana", False),
        ("bo", "closed", False),
        ("bo", "unknown", False),
    ],
)
def test_groups_that_a_user_with_unknown_claims_could_join(
    user_id: str | None, group: str, could: bool
) -> None:
    """A rule that needs claims may match; the first rule without claims decides."""
    assert RULES.could_join(user_id, group) is could


def test_groups_to_which_a_user_with_unknown_claims_could_send() -> None:
    """`join` does not include `send`."""
    quiet = Rule(GroupPattern("quiet"), frozenset({"join"}))
    rules = Rules([quiet, Rule(GroupPattern("*"), frozenset({"join", "send"}))])
    assert rules.could_join("ana", "quiet")
    assert not rules.could_send("ana", "quiet")
    assert rules.could_send(None, "blue")
