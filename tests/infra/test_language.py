"""Checks that the Bicep compiler would make, as far as two parsers and tables can."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tree_sitter import Node

from tests.infra import arm
from tests.infra.bicep import (
    FILES,
    INFRA,
    MAIN,
    Resource,
    modules,
    nodes,
    read,
    resources,
    text,
    tree,
)

DECLARATIONS = ("parameter_declaration", "variable_declaration", "output_declaration")
SYMBOLS = (*DECLARATIONS[:2], "resource_declaration", "module_declaration")


@pytest.mark.parametrize("file", FILES)
def test_both_parsers_read_the_file(file: str) -> None:
    """pycep-parser raises if it cannot; tree-sitter marks errors."""
    assert read(file)
    assert not tree(file).has_error


def name_of(declaration: Node) -> str:
    return text(next(nodes(declaration, "identifier")))


def declared(file: str) -> set[str]:
    """Return parameters, variables, resources, modules and loop variables of a file."""
    names = [name_of(node) for node in nodes(tree(file), *SYMBOLS)]
    loops = [name_of(node) for node in nodes(tree(file), "for_statement", "lambda_expression")]
    return {*names, *loops}


def is_name_only(node: Node) -> bool:
    """Return whether the node is a key, a function's name or the name of a declaration."""
    parent = node.parent
    assert parent is not None
    keys = ("object_property", "call_expression", *SYMBOLS, *DECLARATIONS, "for_statement")
    is_first = parent.named_children[0] == node
    return is_first and parent.type in keys


def used(file: str) -> set[str]:
    """Return every name that a file uses."""
    return {text(node) for node in nodes(tree(file), "identifier") if not is_name_only(node)}


@pytest.mark.parametrize("file", FILES)
def test_every_name_is_declared_and_used(file: str) -> None:
    """Only resources and modules may be unused."""
    assert not used(file) - declared(file)
    values = [name_of(node) for node in nodes(tree(file), *SYMBOLS[:2])]
    assert not set(values) - used(file)


def calls(file: str) -> set[str]:
    """Return the names of the functions that a file calls."""
    return {text(node.named_children[0]) for node in nodes(tree(file), "call_expression")}


@pytest.mark.parametrize("file", FILES)
def test_functions_are_known(file: str) -> None:
    """Except decorators. Only hub.bicep lists keys."""
    decorators = {name_of(node) for node in nodes(tree(file), "decorator")}
    assert calls(file) - decorators <= arm.FUNCTIONS
    listing = {name for name in calls(file) if name.lower().startswith("list")}
    assert listing == ({"listKeys"} if file == "hub.bicep" else set())


@pytest.mark.parametrize("symbol", modules())
def test_modules_get_their_required_parameters(symbol: str) -> None:
    """Each parameter that is passed exists."""
    call = modules()[symbol]
    parameters = read(call["file"])["parameters"]
    required = {name for name, found in parameters.items() if found["default"] is None}
    assert required <= call["params"].keys() <= parameters.keys()


def test_outputs_that_main_bicep_reads_exist() -> None:
    asked = [text(node).split(".") for node in nodes(tree(MAIN), "member_expression")]
    outputs = [parts for parts in asked if parts[1] == "outputs" and len(parts) == 3]
    assert len(outputs) > 10
    for symbol, _, name in outputs:
        assert name in read(modules()[symbol]["file"])["outputs"], f"{symbol}.outputs.{name}"


def test_every_file_is_a_module_or_is_deployed() -> None:
    called = {call["file"] for call in modules().values()}
    assert called == {*FILES} - {MAIN, "hub.bicep"}


def test_loaded_queries_exist_and_every_query_is_loaded() -> None:
    loaded = set()
    for file in FILES:
        for call in nodes(tree(file), "call_expression"):
            if text(call).startswith("loadTextContent"):
                relative = text(next(nodes(call, "string_content")))
                loaded.add((INFRA / file).parent.joinpath(relative).resolve())
    assert loaded == {*(INFRA / "queries").iterdir()}


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the dotted names of all properties, through lists, loops and conditions."""
    if isinstance(value, list):
        for item in value:
            yield from paths(item, path)
    elif isinstance(value, dict) and isinstance(value.get("operator"), dict):
        yield from paths([*value["operator"]["operands"].values()], path)
    elif isinstance(value, dict) and "loop_type" in value:
        yield from paths(value["config"], path)
    elif isinstance(value, dict) and "function" not in value:
        for key, below in value.items():
            name = "*" if "${" in key else key.strip("'")
            yield f"{path}{name}"
            yield from paths(below, f"{path}{name}.")


def names_of(resource: Resource) -> str:
    return f"{resource.file}-{resource.symbol}"


@pytest.mark.parametrize("item", resources(), ids=names_of)
def test_types_versions_and_properties_are_known(item: Resource) -> None:
    """arm.py has the tables."""
    known = arm.PROPERTIES[f"{item.type}@{item.version}"].split()
    body = {key: value for key, value in item.body.items() if key != "tags"}
    assert not {*paths(body)} - {*known} - arm.COMMON


def test_existing_resources_have_known_versions() -> None:
    for found in resources(existing=True):
        assert f"{found.type}@{found.version}" in arm.PROPERTIES


def test_modules_have_no_explicit_name() -> None:
    """A second deployment would use the name again, and two at once would collide."""
    assert modules()
    assert not [symbol for symbol, call in modules().items() if "name" in call]


def test_names_of_resources_are_no_outputs_of_modules() -> None:
    """what-if cannot foresee a resource whose name is known only when another one exists."""
    (principal,) = {m.split(".")[-1] for m in passed_outputs() if m not in PROPERTIES_ONLY}
    assert principal == "principalId"


# Outputs that become properties of resources, never part of a name.
PROPERTIES_ONLY = {
    *("monitoring.outputs.workspaceId", "monitoring.outputs.insightsId", "webPubSub.outputs.id"),
    *("webPubSub.outputs.host", "storage.outputs.id", "app.outputs.origins", "app.outputs.url"),
    "alerts.outputs.actions",
}


def passed_outputs() -> set[str]:
    """Return the outputs of modules that other modules get."""
    members = [n for m in nodes(tree(MAIN), "module_declaration") for n in nodes(m)]
    return {text(n) for n in members if n.type == "member_expression" and is_output(text(n))}


def is_output(source: str) -> bool:
    return source.count(".") == 2 and ".outputs." in source


def test_the_linter_s_rules_are_errors() -> None:
    rules = json.loads((INFRA / "bicepconfig.json").read_text("utf-8"))["analyzers"]["core"][
        "rules"
    ]
    assert {rule["level"] for rule in rules.values()} == {"error"}
    assert rules["use-recent-api-versions"]["maxAllowedAgeInDays"] == 730
    assert {"no-module-name", "what-if-short-circuiting", "use-user-defined-types"} < rules.keys()


def test_exceptions_from_the_linter_are_the_documented_ones() -> None:
    found = [
        (file, *match)
        for file in FILES
        for match in re.findall(
            r"#disable-next-line (\S+).*\n *(\w+)", (INFRA / file).read_text("utf-8")
        )
    ]
    assert sorted(found) == [
        ("app/webpubsub.bicep", "use-recent-api-versions", "resource"),
        ("app/webpubsub.bicep", "use-recent-api-versions", "resource"),
        ("main.bicep", "what-if-short-circuiting", "deployPrincipalId"),
        ("main.bicep", "what-if-short-circuiting", "principalId"),
    ]


@pytest.mark.parametrize("file", FILES)
def test_long_expressions_are_formatted_as_bicep_format_does(file: str) -> None:
    """Only the compiler can format (check.yaml); this finds what was wrong before."""
    source = (INFRA / file).read_text("utf-8")
    assert not re.search(r"\S \? [\[{]$|^ *[\]}] : |\[\] : \[$|null : \{$", source, re.MULTILINE)
    assert not re.search(r"\[for .*\{$|^ *\}\]$", source, re.MULTILINE)
    long = [line for line in source.splitlines() if len(line) > 120 and "description" not in line]
    assert not long


def test_types_are_plain() -> None:
    """Objects and arrays say what is in them; the parsers read them as `object` and `array`."""
    for file in FILES:
        source = (INFRA / file).read_text("utf-8")
        assert not re.search(r"^(param|output) \w+ (object|array)\b", source, re.MULTILINE)
    plain = {"string", "int", "bool", "array", "object"}
    for file in FILES:
        for kind in ("parameters", "outputs"):
            for name, found in read(file).get(kind, {}).items():
                assert found["type"] in plain, f"{file} {name}"


def test_the_parameters_file_has_every_parameter() -> None:
    """Each comes from a variable of azd's environment. Unset variables keep the default."""
    document = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))
    assert document["parameters"].keys() == read(MAIN)["parameters"].keys()
    values = [parameter["value"] for parameter in document["parameters"].values()]
    assert len({*values}) == len(values)
    assert all(value.startswith(("${AZURE_", "${USHER_")) for value in values)
    assert values[:2] == ["${AZURE_ENV_NAME}", "${AZURE_LOCATION}"]  # set by azd itself
