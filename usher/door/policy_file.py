"""Reads the policy file. Its JSON Schema is api/policy.schema.json."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from usher.door.rules import JOIN, RIGHTS, SEND, GroupPattern, Rule, Rules
from usher.errors import SettingsError
from usher.names import LONGEST_GROUP_NAME, NAME_RULE, is_printable_id

FIELDS = {"caller", "group", "allow"}


def read_rules(file: Path) -> Rules:
    """Read the rules. Raises SettingsError, which names every wrong place and no value."""
    try:
        document = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise SettingsError({file.name: f"cannot be read: {error.strerror}"}) from None
    except (ValueError, RecursionError):
        raise SettingsError({file.name: "is not valid JSON"}) from None
    return parse_rules(document, file.name)


def parse_rules(document: Any, name: str) -> Rules:
    """Parse the rules of a policy file called `name`. Raises SettingsError."""
    is_policy = isinstance(document, dict) and isinstance(document.get("rules"), list)
    if not is_policy or set(document) - {"$schema", "rules"}:
        raise SettingsError({name: "must be an object with a list `rules`, and nothing else"})
    problems: dict[str, str] = {}
    rules = [
        _parse_rule(rule, f"{name} rules[{index}]", problems)
        for index, rule in enumerate(document["rules"])
    ]
    if problems:
        raise SettingsError(problems)
    return Rules([rule for rule in rules if rule])


def _parse_rule(rule: Any, place: str, problems: dict[str, str]) -> Rule | None:
    if not isinstance(rule, dict) or set(rule) != FIELDS:
        problems[place] = "must have `caller`, `group` and `allow`, and nothing else"
        return None
    values: dict[str, Any] = {}
    parsers: dict[str, Callable[[Any], Mapping[str, Any]]] = {
        "caller": _parse_caller,
        "group": _parse_group,
        "allow": _parse_rights,
    }
    for field, parse in parsers.items():
        try:
            values |= parse(rule[field])
        except ValueError as error:
            problems[f"{place}.{field}"] = str(error)
    return Rule(**values) if values.keys() >= {"group", "rights"} else None


def _parse_caller(caller: Any) -> Mapping[str, Any]:
    if caller == "any":
        return {}
    fields = caller if isinstance(caller, dict) else {}
    if all(isinstance(value, str) and value for value in fields.values()):
        if set(fields) == {"user"} and is_printable_id(fields["user"]):
            return {"user": fields["user"]}
        if set(fields) == {"claim", "value"}:
            return {"claim": (fields["claim"], fields["value"])}
    forms = '"any", {"user": ID} or {"claim": NAME, "value": VALUE}'
    raise ValueError(f"must be {forms}; an ID must {NAME_RULE}")


def _parse_group(group: Any) -> Mapping[str, Any]:
    if not isinstance(group, str) or not 0 < len(group) <= LONGEST_GROUP_NAME or "/" in group:
        raise ValueError(f"must be a string of 1 to {LONGEST_GROUP_NAME} characters, no slash")
    if not is_printable_id(group):  # no name of a group could match
        raise ValueError(f"must {NAME_RULE}")
    return {"group": GroupPattern(group)}


def _parse_rights(rights: Any) -> Mapping[str, Any]:
    is_list = isinstance(rights, list) and all(isinstance(right, str) for right in rights)
    if not is_list or set(rights) - set(RIGHTS) or len(set(rights)) < len(rights):
        raise ValueError(f"must be a list of {', '.join(RIGHTS)}, each at most once")
    if SEND in rights and JOIN not in rights:
        raise ValueError("has `send` without `join`; only members can send")
    return {"rights": frozenset(rights)}
