"""What the Bicep compiler would refuse, as far as two parsers and some tables can tell."""

import json
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
def test_both_parsers_understand_it(file: str) -> None:
    """pycep-parser raises where it does not; tree-sitter marks the spot."""
    assert read(file)
    assert not tree(file).has_error


def name_of(declaration: Node) -> str:
    return text(next(nodes(declaration, "identifier")))


def declared(file: str) -> set[str]:
    """Parameters, variables, resources and modules of a file, and the variables of its loops."""
    names = [name_of(node) for node in nodes(tree(file), *SYMBOLS)]
    loops = [name_of(node) for node in nodes(tree(file), "for_statement", "lambda_expression")]
    return {*names, *loops}


def is_name_only(node: Node) -> bool:
    """Keys of objects, names of functions, and what a declaration itself is called."""
    parent = node.parent
    assert parent is not None
    keys = ("object_property", "call_expression", *SYMBOLS, *DECLARATIONS, "for_statement")
    is_first = parent.named_children[0] == node
    return is_first and parent.type in keys


def used(file: str) -> set[str]:
    """Every name that a file uses."""
    return {text(node) for node in nodes(tree(file), "identifier") if not is_name_only(node)}


@pytest.mark.parametrize("file", FILES)
def test_every_name_is_declared_and_used(file: str) -> None:
    """Only a resource or a module may be there for its own sake."""
    assert not used(file) - declared(file)
    values = [name_of(node) for node in nodes(tree(file), *SYMBOLS[:2])]
    assert not set(values) - used(file)


def calls(file: str) -> set[str]:
    """Names of the functions that a file calls."""
    return {text(node.named_children[0]) for node in nodes(tree(file), "call_expression")}


@pytest.mark.parametrize("file", FILES)
def test_functions_are_known(file: str) -> None:
    """Decorators apart; keys are listed in hub.bicep alone."""
    decorators = {name_of(node) for node in nodes(tree(file), "decorator")}
    assert calls(file) - decorators <= arm.FUNCTIONS
    listing = {name for name in calls(file) if name.lower().startswith("list")}
    assert listing == ({"listKeys"} if file == "hub.bicep" else set())


@pytest.mark.parametrize("symbol", modules())
def test_modules_get_what_they_need(symbol: str) -> None:
    """Each parameter that is given exists, and each without a default is given."""
    call = modules()[symbol]
    parameters = read(call["file"])["parameters"]
    required = {name for name, found in parameters.items() if found["default"] is None}
    assert required <= call["params"].keys() <= parameters.keys()


def test_outputs_of_modules_exist() -> None:
    """`module.outputs.name`, wherever main.bicep says so."""
    asked = [text(node).split(".") for node in nodes(tree(MAIN), "member_expression")]
    outputs = [parts for parts in asked if parts[1] == "outputs" and len(parts) == 3]
    assert len(outputs) > 10
    for symbol, _, name in outputs:
        assert name in read(modules()[symbol]["file"])["outputs"], f"{symbol}.outputs.{name}"


def test_every_file_is_called() -> None:
    """By main.bicep, or it is one of the two that are deployed."""
    called = {call["file"] for call in modules().values()}
    assert called == {*FILES} - {MAIN, "hub.bicep"}


def test_texts_that_are_loaded_exist() -> None:
    """And every query is loaded by somebody."""
    loaded = set()
    for file in FILES:
        for call in nodes(tree(file), "call_expression"):
            if text(call).startswith("loadTextContent"):
                relative = text(next(nodes(call, "string_content")))
                loaded.add((INFRA / file).parent.joinpath(relative).resolve())
    assert loaded == {*(INFRA / "queries").iterdir()}


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Dotted names of all that is set, through lists, loops and conditions."""
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


@pytest.mark.parametrize("made", resources(), ids=names_of)
def test_types_versions_and_properties_are_known(made: Resource) -> None:
    """Only what was looked up; see arm.py."""
    known = arm.PROPERTIES[f"{made.type}@{made.version}"].split()
    body = {key: value for key, value in made.body.items() if key != "tags"}
    assert not {*paths(body)} - {*known} - arm.COMMON


def test_resources_that_are_only_referred_to_are_known() -> None:
    """In the versions in which they are made."""
    for found in resources(existing=True):
        assert f"{found.type}@{found.version}" in arm.PROPERTIES


def test_types_are_plain() -> None:
    """No typed arrays, no nullables: checkov's parser does not know them."""
    plain = {"string", "int", "bool", "array", "object"}
    for file in FILES:
        for kind in ("parameters", "outputs"):
            for name, found in read(file).get(kind, {}).items():
                assert found["type"] in plain, f"{file} {name}"


def test_the_parameters_file_has_every_parameter() -> None:
    """And no other, each from a variable of azd's environment; unset ones keep their default."""
    document = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))
    assert document["parameters"].keys() == read(MAIN)["parameters"].keys()
    values = [given["value"] for given in document["parameters"].values()]
    assert len({*values}) == len(values)
    assert all(value.startswith(("${AZURE_", "${USHER_")) for value in values)
    assert values[:2] == ["${AZURE_ENV_NAME}", "${AZURE_LOCATION}"]  # azd's own
