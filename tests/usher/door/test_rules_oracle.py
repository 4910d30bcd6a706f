"""The policy's decisions, compared with an oracle that builds every group a pattern stands for."""

import re
from collections.abc import Mapping, Sequence
from itertools import chain, product

from hypothesis import given, settings
from hypothesis import strategies as st

from usher.door.callers import Caller
from usher.door.policy_file import parse_rules
from usher.door.rules import JOIN, SEND

type Claims = Mapping[str, frozenset[str]]
type Document = dict[str, object]

# Few characters, so that names, literals and the ends of placeholders often meet.
NAMES = st.text("ab.", min_size=1, max_size=3)
CLAIM_NAMES = st.sampled_from(["team", "role"])
PLACEHOLDERS = st.sampled_from(["{userId}", "{claim:team}", "{claim:role}"])
PATTERNS = st.sampled_from(["*", "a*", "{userId}"]) | st.builds(
    lambda parts, end: "".join(chain.from_iterable(parts)) + end,
    st.lists(st.tuples(st.just("") | PLACEHOLDERS, NAMES), max_size=3),
    st.just("") | PLACEHOLDERS | st.just("*"),
).filter(bool)
CALLERS = (
    st.just("any")
    | st.builds(lambda user: {"user": user}, NAMES)
    | st.builds(lambda name, value: {"claim": name, "value": value}, CLAIM_NAMES, NAMES)
)
RIGHTS = st.sampled_from([[], ["join"], ["join", "send"], ["roster"], ["join", "roster"]])
RULES = st.lists(
    st.builds(
        lambda caller, group, allow: {"caller": caller, "group": group, "allow": allow},
        *(CALLERS, PATTERNS, RIGHTS),
    ),
    max_size=5,
)
CLAIMS = st.dictionaries(CLAIM_NAMES, st.frozensets(NAMES, min_size=1, max_size=2))


def stands_for(pattern: str, group: str, user: str | None, claims: Claims) -> bool:
    """Fill in the placeholders in every way, and compare."""
    parts = re.findall(r"\{[^}]+\}|.", pattern)
    values = {f"{{claim:{name}}}": found for name, found in claims.items()}
    values["{userId}"] = frozenset({user} if user else ())
    options = [sorted(values.get(part, ())) if "{" in part else [part] for part in parts]
    for choice in product(*options):
        filled = zip(choice, parts, [*parts[1:], ""], strict=True)
        if any("{" in part and after and after in text for text, part, after in filled):
            continue  # the value would end earlier
        name = "".join(choice)
        has_any_end = pattern.endswith("*") and group.startswith(name[:-1])
        if name == group or (has_any_end and len(group) >= len(name)):
            return True
    return False


def rights_of(
    rules: Sequence[Document], user: str | None, claims: Claims, group: str
) -> Sequence[str]:
    for rule in rules:
        caller = rule["caller"]
        if isinstance(caller, dict):
            if caller.get("user", user) != user:
                continue
            if "claim" in caller and caller["value"] not in claims.get(caller["claim"], ()):
                continue
        if stands_for(str(rule["group"]), group, user, claims):
            return rule["allow"]  # type: ignore[return-value]
    return []


@st.composite
def questions(draw: st.DrawFn) -> tuple[list[Document], str, Claims, str]:
    """Draw rules, a caller and a group: any group, or one that nearly fits a rule's pattern."""
    rules, user, claims = draw(RULES), draw(NAMES), draw(CLAIMS)
    patterns = [st.just(str(rule["group"])) for rule in rules]
    group = draw(st.one_of(st.text("ab.", min_size=1, max_size=7), *patterns))
    texts = {"userId": [user, user[:1]]} | {f"claim:{name}": [*claims[name]] for name in claims}
    while placeholder := re.search(r"\{([^}]+)\}|\*", group):
        text = draw(st.sampled_from([*texts.get(placeholder[1] or "", []), draw(NAMES)]))
        group = group[: placeholder.start()] + text + group[placeholder.end() :]
    return rules, user, claims, group


@given(questions())
@settings(max_examples=500, deadline=None)
def test_the_rights_of_a_caller(question: tuple[list[Document], str, Claims, str]) -> None:
    rules, user, claims, group = question
    decided = parse_rules({"rules": rules}, "policy").rights(Caller(user, claims), group)
    assert decided == set(rights_of(rules, user, claims, group))


@given(questions(), st.booleans())
@settings(max_examples=500, deadline=None)
def test_what_a_user_could_have_with_some_claims(
    question: tuple[list[Document], str, Claims, str], is_named: bool
) -> None:
    """`connect` refuses no user who could have got the token, and is exact without claims."""
    rules, name, claims, group = question
    user = name if is_named else None
    parsed = parse_rules({"rules": rules}, "policy")
    for right, decided in (
        (JOIN, parsed.could_join(user, group)),
        (SEND, parsed.could_send(user, group)),
    ):
        could = any(right in rights_of(rules, user, some, group) for some in ({}, claims))
        assert decided or not could
        if "claim" not in str(rules):
            assert decided == could
