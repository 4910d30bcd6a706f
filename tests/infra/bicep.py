"""The Bicep files as data (pycep-parser) and as syntax trees (tree-sitter)."""

import json
import re
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
    """A resource of a file: its symbol, type, api-version and content."""

    file: str
    symbol: str
    type: str
    version: str
    body: dict[str, Any]

    @property
    def properties(self) -> Any:
        """Return the value of `properties`."""
        return self.body["properties"]


@cache
def read(file: str) -> Any:
    """Return a file as data. In it, names and strings look alike."""
    return bicep_parser().parse(text=simplify((INFRA / file).read_text("utf-8")))


@cache
def bicep_parser() -> BicepParser:
    """Return the parser, whose grammar takes longer to read than a file."""
    return BicepParser()


def simplify(source: str) -> str:
    """Return Bicep in the syntax that every version of pycep-parser reads.

    None reads `{ *: string }` or an operator at the beginning of a line; checkov's reads neither
    `string[]` nor the function `fail`.
    """
    source = source.replace("{ *: string }", "object").replace(" string[]", " array")
    source = re.sub(r"\n +([?:]) ", r" \1 ", source)
    return re.sub(r"\bfail\(", "string(", source)


@cache
def tree(file: str) -> Node:
    """Return the syntax tree of a file."""
    return (
        Parser(Language(tree_sitter_bicep.language())).parse((INFRA / file).read_bytes()).root_node
    )


def nodes(node: Node, *types: str) -> Iterator[Node]:
    """Yield the node and all nodes below it of these types, in the order of the text."""
    if not types or node.type in types:
        yield node
    for child in node.named_children:
        yield from nodes(child, *types)


def text(node: Node | None) -> str:
    """Return the source of a node."""
    assert node is not None
    assert node.text is not None
    return node.text.decode()


def resources(*files: str, existing: bool = False) -> list[Resource]:
    """Return the resources that the files create, or the ones that they refer to as existing."""
    return [
        Resource(file, symbol, found["type"], found["api_version"], unwrap(found["config"]))
        for file in files or FILES
        for symbol, found in read(file).get("resources", {}).items()
        if found["existing"] is existing
    ]


def resource(file: str, symbol: str) -> Resource:
    """Return one resource by its symbol."""
    (found,) = [each for each in resources(file) if each.symbol == symbol]
    return found


def modules() -> dict[str, Any]:
    """Return the modules that main.bicep calls, by symbol. `file` is the called file."""
    called = read(MAIN)["modules"]
    return {
        symbol: unwrap(call["config"]) | {"file": call["detail"]["path"]}
        for symbol, call in called.items()
    }


def unwrap(config: Any) -> Any:
    """Return the configuration inside loops and conditions."""
    while isinstance(config, dict) and {"loop_type", "condition"} & config.keys():
        config = config["config"]
    return config


def chain(value: Any) -> str:
    """Return pycep's nested operands as `a.b.c`."""
    if isinstance(value, dict) and value.get("operator", {}).get("type") == "property_accessor":
        return ".".join(chain(part) for part in value["operator"]["operands"].values())
    return str(value)


def default_of(parameter: str) -> Any:
    """Return the default of a parameter of main.bicep."""
    return read(MAIN)["parameters"][parameter]["default"]


def allowed(parameter: str) -> list[Any]:
    """Return the values that main.bicep allows for a parameter."""
    decorators = read(MAIN)["parameters"][parameter]["decorators"]
    return next(found["argument"] for found in decorators if found["type"] == "allowed")


def app_settings() -> dict[str, Any]:
    """Return the app settings of settings.bicep, which has them in three groups."""
    variables = read("app/settings.bicep")["variables"]
    groups = ("host", "connection", "usher", "state")
    names = [*(f"{group}Settings" for group in groups), "hubProperties"]
    return {key: value for name in names for key, value in variables[name]["value"].items()}


def host_json() -> Any:
    """Return the content of host.json."""
    return json.loads((ROOT / "host.json").read_text("utf-8"))
