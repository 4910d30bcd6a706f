"""Our Bicep files, read twice: as data by pycep-parser, as syntax trees by tree-sitter."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from pycep import BicepParser
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).resolve().parent.parent.parent
INFRA = ROOT / "infra"
FILES = sorted(str(path.relative_to(INFRA)) for path in INFRA.rglob("*.bicep"))
MAIN = "main.bicep"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of a file: its symbol, type, api-version, and what it sets."""

    file: str
    symbol: str
    type: str
    version: str
    body: dict[str, Any]

    @property
    def properties(self) -> Any:
        """What it sets under `properties`."""
        return self.body["properties"]


@cache
def read(file: str) -> Any:
    """A file as data. Names and strings look alike in it."""
    return BicepParser().parse(text=(INFRA / file).read_text("utf-8"))


@cache
def tree(file: str) -> Node:
    """The syntax tree of a file."""
    return (
        Parser(Language(tree_sitter_bicep.language())).parse((INFRA / file).read_bytes()).root_node
    )


def nodes(node: Node, *types: str) -> Iterator[Node]:
    """All nodes of these types below one, itself included, in the order of the text."""
    if not types or node.type in types:
        yield node
    for child in node.named_children:
        yield from nodes(child, *types)


def text(node: Node | None) -> str:
    """The source of a node."""
    assert node is not None
    assert node.text is not None
    return node.text.decode()


def resources(*files: str, existing: bool = False) -> list[Resource]:
    """The resources that these files make, or those that they only refer to."""
    return [
        Resource(file, symbol, found["type"], found["api_version"], unwrap(found["config"]))
        for file in files or FILES
        for symbol, found in read(file).get("resources", {}).items()
        if found["existing"] is existing
    ]


def resource(file: str, symbol: str) -> Resource:
    """One resource by its symbol."""
    (found,) = [made for made in resources(file) if made.symbol == symbol]
    return found


def modules() -> dict[str, Any]:
    """The modules that main.bicep calls, by symbol; `file` is what is called."""
    called = read(MAIN)["modules"]
    return {
        symbol: unwrap(call["config"]) | {"file": call["detail"]["path"]}
        for symbol, call in called.items()
    }


def unwrap(config: Any) -> Any:
    """What a loop or a condition is about."""
    while isinstance(config, dict) and {"loop_type", "condition"} & config.keys():
        config = config["config"]
    return config


def chain(value: Any) -> str:
    """`a.b.c` of pycep's nested operands."""
    if isinstance(value, dict) and value.get("operator", {}).get("type") == "property_accessor":
        return ".".join(chain(part) for part in value["operator"]["operands"].values())
    return str(value)


def default_of(parameter: str) -> Any:
    """The default of a parameter of main.bicep."""
    return read(MAIN)["parameters"][parameter]["default"]


def allowed(parameter: str) -> list[Any]:
    """The values that main.bicep allows for a parameter."""
    decorators = read(MAIN)["parameters"][parameter]["decorators"]
    return next(found["argument"] for found in decorators if found["type"] == "allowed")


def app_settings() -> dict[str, Any]:
    """The app settings that Bicep writes, in three groups in the file."""
    variables = read("app/settings.bicep")["variables"]
    groups = ("hostSettings", "connectionSettings", "usherSettings")
    return {key: value for name in groups for key, value in variables[name]["value"].items()}


def host_json() -> Any:
    """What the Functions host is told."""
    return json.loads((ROOT / "host.json").read_text("utf-8"))
