import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from usher.door.callers import Caller
from usher.door.policy_file import parse_rules, read_rules
from usher.errors import SettingsError

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "api/policy.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


def rule(**changes: Any) -> dict[str, Any]:
    fields = {"caller": "any", "group": "lobby", "allow": ["join"]} | changes
    return {name: value for name, value in fields.items() if value is not None}


VALID = [
    rule(),
    rule(caller={"user": "ana"}),
    rule(caller={"claim": "team", "value": "red"}),
    rule(group="*"),
    rule(group="room-*"),
    rule(group="team-{claim:team}.{userId}.*"),
    rule(allow=[]),
    rule(allow=["roster"]),
    rule(allow=["roster", "send", "join"]),
]
INVALID = [
    ("", "lobby"),
    ("", {}),
    ("", rule(caller=None)),
    ("", rule(deny=["join"])),
    (".caller", rule(caller="all")),
    (".caller", rule(caller={"user": ""})),
    (".caller", rule(caller={"user": 1})),
    (".caller", rule(caller={"claim": "team"})),
    (".caller", rule(caller={"user": "ana", "claim": "team", "value": "red"})),
    (".caller", rule(caller=["any"])),
    (".group", rule(group="")),
    (".group", rule(group="g" * 1025)),
    (".group", rule(group="a/b")),
    (".group", rule(group=1)),
    (".group", rule(group="a*b")),
    (".group", rule(group="{userId}*")),
    (".group", rule(group="{claim:a}{userId}")),
    (".group", rule(group="{userid}")),
    (".group", rule(group="a}b")),
    (".allow", rule(allow="join")),
    (".allow", rule(allow=["enter"])),
    (".allow", rule(allow=["join", "join"])),
    (".allow", rule(allow=[["join"]])),
    (".allow", rule(allow=["send"])),
]


@pytest.mark.parametrize("valid", VALID)
def test_valid_rules(valid: dict[str, Any]) -> None:
    """The code and the published schema accept them."""
    assert len(parse_rules({"rules": [valid]}, "policy.json").rules) == 1
    VALIDATOR.validate({"$schema": "api/policy.schema.json", "rules": [valid]})


@pytest.mark.parametrize(("place", "invalid"), INVALID)
def test_invalid_rules(place: str, invalid: Any) -> None:
    """The code and the published schema refuse them; the error names the place."""
    with pytest.raises(SettingsError) as caught:
        parse_rules({"rules": [rule(), invalid]}, "policy.json")
    assert list(caught.value.problems) == [f"policy.json rules[1]{place}"]
    assert not VALIDATOR.is_valid({"rules": [invalid]})


@pytest.mark.parametrize("name", ["cafe\u0301", "ana ", "a\u200b", "\u3164"])
def test_names_that_no_caller_and_no_group_can_have(name: str) -> None:
    """A rule that denies would never match, so it is refused. The schema cannot say this."""
    for field, value in (("caller", {"user": name}), ("group", name)):
        with pytest.raises(SettingsError) as caught:
            parse_rules({"rules": [rule(**{field: value})]}, "policy.json")
        assert list(caught.value.problems) == [f"policy.json rules[0].{field}"]


def test_every_wrong_place_is_named_at_once() -> None:
    invalid = [rule(caller="all", group="a}", allow=["enter"]), rule(), {}]
    with pytest.raises(SettingsError) as caught:
        parse_rules({"rules": invalid}, "p")
    wrong = ["p rules[0].caller", "p rules[0].group", "p rules[0].allow", "p rules[2]"]
    assert list(caught.value.problems) == wrong


def test_problems_do_not_repeat_the_values() -> None:
    """They are written to the log."""
    invalid = rule(caller={"user": ["some-value"]}, group="some-value}", allow=["some-value"])
    with pytest.raises(SettingsError) as caught:
        parse_rules({"rules": [invalid]}, "policy.json")
    assert "some-value" not in str(caught.value)


@pytest.mark.parametrize("document", [[], {}, {"rules": {}}, {"rules": [], "more": 1}, "rules", 1])
def test_documents_that_are_no_policy(document: Any) -> None:
    """The published schema refuses them as well."""
    with pytest.raises(SettingsError, match=r"policy\.json must be an object"):
        parse_rules(document, "policy.json")
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read"), (b"{", "JSON"), (b"\xff", "JSON"), (b"[" * 99999, "JSON")],
)
def test_files_that_are_no_policy(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """The error names the file, and not its folder."""
    file = tmp_path / "policy.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=problem) as caught:
        read_rules(file)
    assert str(tmp_path) not in str(caught.value)


def test_the_shipped_policy() -> None:
    """A lobby for all callers and a group for each user; its `$schema` is a file."""
    file = ROOT / "policy.json"
    document = json.loads(file.read_text("utf-8"))
    assert (ROOT / document["$schema"]).exists()
    VALIDATOR.validate(document)
    rules = read_rules(file)
    everything = {"join", "send", "roster"}
    assert rules.rights(Caller("ana"), "lobby") == everything
    assert rules.rights(Caller("ana"), "user-ana") == everything
    assert rules.rights(Caller("ana"), "user-bo") == set()
    assert rules.rights(Caller("ana"), "room-1") == set()


def test_the_schema_is_valid() -> None:
    jsonschema_rs.meta.validate(SCHEMA)


def test_the_policies_of_the_documentation_are_valid() -> None:
    """docs/policy.md has the shipped policy, word for word, and recipes."""
    page = (ROOT / "docs/policy.md").read_text("utf-8")
    blocks = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    policies = [json.loads(block) for block in blocks if '"allow"' in block]
    shipped, recipes = policies
    assert shipped == json.loads((ROOT / "policy.json").read_text("utf-8"))
    VALIDATOR.validate({"rules": recipes})
    rules = parse_rules({"rules": recipes}, "docs/policy.md")
    contoso = Caller("u", {"tenant": frozenset({"contoso"}), "invited": frozenset({"room-7"})})
    for group in ("lobby", "room-7", "contoso.sales"):
        assert "join" in rules.rights(contoso, group)
    for group in ("room-8", "fabrikam.sales", "contoso"):
        assert rules.rights(contoso, group) == set()
