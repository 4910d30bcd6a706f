"""api/asyncapi.yaml is valid, complete in itself, and describes what the app's own code makes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft7Validator

from tests.messages.description import find_problem, follow, messages_of, read_description, why_not
from tests.npm import npm_packages
from usher.groups.announcements import FORMATS, Announcement

HERE = Path(__file__).parent
AT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
MESSAGES = list(read_description()["components"]["messages"])
PRESENCE: dict[str, Any] = follow("#/components/messages/presence")["examples"][0]["payload"]
SNAPSHOT: dict[str, Any] = follow("#/components/messages/presenceSnapshot")["examples"][0][
    "payload"
]


# --- the document ------------------------------------------------------------------------


def official_errors(description: Any) -> list[str]:
    """Return what the official JSON schema of AsyncAPI 3.0 finds."""
    modules = npm_packages(HERE / "asyncapi", "the official schema of AsyncAPI")
    file = modules / "@asyncapi" / "specs" / "schemas" / "3.0.0-without-$id.json"
    schema = json.loads(file.read_text("utf-8"))
    validator = Draft7Validator(schema, validate_formats=True)
    return [str(error.instance_path) for error in validator.iter_errors(description)]


def test_the_official_schema_accepts_the_document() -> None:
    assert official_errors(read_description()) == []


def test_the_official_schema_refuses_a_mistake() -> None:
    wrong = read_description() | {"operations": {"announce": {"action": "shout"}}}
    assert official_errors(wrong)


def references(part: Any) -> Iterator[str]:
    """Yield every reference of the document."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from references(one)


def test_every_reference_leads_to_a_part_and_every_component_is_used() -> None:
    found = set(references(read_description()))
    assert all(reference.startswith("#/") and follow(reference) for reference in found)
    for kind, parts in read_description()["components"].items():
        assert {f"#/components/{kind}/{name}" for name in parts} <= found


def test_every_operation_has_messages_of_its_channel() -> None:
    """And every message of a channel belongs to an operation."""
    used = set[str]()
    for operation in read_description()["operations"].values():
        for part in (operation, operation.get("reply")):
            names = {one["$ref"] for one in part["messages"]} if part else set()
            assert all(name.startswith(part["channel"]["$ref"]) for name in names)
            used |= names
    channels = read_description()["channels"]
    assert used == {f"#/channels/{name}/messages/{one}" for name in channels
                    for one in messages_of(name)}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_the_examples_of_a_message_fit_it_and_no_other_of_its_channel(name: str) -> None:
    examples = follow(f"#/components/messages/{name}")["examples"]
    assert examples
    for channel in ("group", "client"):
        if name in messages_of(channel):
            for example in examples:
                fits = {one: why_not(one, example["payload"]) is None
                        for one in messages_of(channel)}  # fmt: skip
                assert [one for one in fits if fits[one]] == [name]
    assert [why_not(name, example["payload"]) for example in examples] == [None] * len(examples)


# --- messages of the app's own code ----------------------------------------------------------


def announcements(type_: str, *users: str | None) -> list[Announcement]:
    return [Announcement(type_, f"{n:032x}", "lobby", user, f"{user} {type_}", AT)
            for n, user in enumerate(users)]  # fmt: skip


@pytest.mark.parametrize("type_", ["joined", "left"])
@pytest.mark.parametrize(
    "users", [("ana",), (None,), ("ana", "bo"), ("ana", None, "cy"), ("a", "a")]
)
@pytest.mark.parametrize("kind", FORMATS)
def test_announcements_are_described(kind: str, type_: str, users: tuple[str | None, ...]) -> None:
    style = FORMATS[kind]
    body = style.write(announcements(type_, *users), "{userId} " + type_)
    text = body.decode() if isinstance(body, bytes) else json.dumps(body)
    assert find_problem("group", style.content_type, text) is None


def changed(message: dict[str, Any], **fields: Any) -> str:
    """Return the message as JSON with other fields; ... removes one."""
    values = {**message, **fields}
    return json.dumps({name: value for name, value in values.items() if value is not ...})


@pytest.mark.parametrize(
    "fields",
    [
        {"users": {"": 3, "__proto__": 1, "constructor": 1}},
        {"users": {}, "gone": ["", "a' or userId ne '"]},
        {"users": {f"u{n}": 1 for n in range(200)}},
        {"truncated": True, "count": None, "checksum": None},
    ],
)
def test_presence_messages_are_described(fields: dict[str, Any]) -> None:
    assert find_problem("group", "application/json", changed(PRESENCE, **fields)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"users": {"ana": 0}},
        {"users": {"ana": True}},
        {"users": ["ana"]},
        {"gone": None},
        {"gone": ["cy", "cy"]},
        {"asOf": "2026-11-26T12:30:07.5Z"},
        {"asOf": "2026-11-26T12:30:07+00:00"},
        {"count": None},
        {"checksum": "5F0C12AB"},
        {"truncated": True},
        {"group": ""},
        {"snapshot": ...},
        {"snapshot": True},  # with a user in `gone`
        {"more": 1},
    ],
)
def test_other_presence_messages_are_not(fields: dict[str, Any]) -> None:
    assert find_problem("group", "application/json", changed(PRESENCE, **fields))


def test_only_snapshots_are_sent_to_a_connection() -> None:
    snapshot, change = json.dumps(SNAPSHOT), json.dumps(PRESENCE)
    assert find_problem("connection", "application/json", snapshot) is None
    assert find_problem("connection", "application/json", change)
    assert find_problem("connection", "text/plain", "ana joined lobby")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", ""),
        ("text/plain", "two\nlines"),
        ("text/plain", "x" * 1025),
        ("application/json", "ana joined"),
        ("application/json", '"ana joined"'),
        ("application/json", '{"type": "joined", "group": "lobby"}'),
        ("application/octet-stream", "ana joined"),
        ("", "ana joined"),
    ],
)
def test_other_messages_are_not_described(content_type: str, body: str) -> None:
    assert find_problem("group", content_type, body)


def test_the_longest_text_is_described() -> None:
    assert find_problem("group", "text/plain; charset=utf-8", "x" * 1024) is None
