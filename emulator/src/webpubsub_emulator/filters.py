"""The OData filter: which connections a REST call means. Its grammar is in filter_syntax.py."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from webpubsub_emulator.filter_syntax import (
    Call,
    Chain,
    Comparison,
    Constant,
    FilterSyntaxError,
    Identifier,
    Membership,
    Node,
    Not,
    describe,
    parse,
)


class FilterError(ValueError):
    """A filter that the service refuses; the text is its own."""

    def __init__(self, expression: str, detail: str) -> None:
        super().__init__(f"Invalid syntax for '{expression}': {detail} (Parameter 'filter')")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a filter may ask of a connection."""

    user_id: str | None
    connection_id: str
    groups: Collection[str]
    protocol: str | None


# The service checks types on this connection before it looks at any other.
_NOBODY = Subject(user_id=None, connection_id="", groups=(), protocol=None)


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that holds together; `parse_filter` makes it."""

    tree: Node

    def matches(self, subject: Subject) -> bool:
        """Whether the connection is meant.

        FilterError for a mistake that only this connection brings to light: the check before
        has no user id, and a null hides the type of what it is compared with.
        """
        try:
            return bool(_expect("bool", _evaluate(self.tree, subject), self.tree))
        except _TokenError as error:
            raise FilterError(describe(self.tree), str(error)) from None


def parse_filter(text: str) -> Filter:
    """Read a filter (reference-odata-filter), or raise FilterError.

    An identifier or a function that does not exist, and types that do not fit, are found here:
    every part is evaluated, also behind `or`.
    """
    try:
        result = Filter(parse(text))
    except FilterSyntaxError as error:
        raise FilterError(text, str(error)) from None
    result.matches(_NOBODY)
    return result


class _TokenError(Exception):
    """A part that means nothing; the expression around it is named in the FilterError."""


Kind = Literal["null", "bool", "int", "string", "collection"]


class _Value(NamedTuple):
    """A value with its type: a user id that is null is a string all the same."""

    kind: Kind
    content: Any


_NULL = _Value("null", None)
_KINDS: dict[type, Kind] = {bool: "bool", int: "int", str: "string", type(None): "null"}


def _value(content: str | int | bool | None) -> _Value:
    return _Value(_KINDS[type(content)], content)


def _expect(kind: Kind, value: _Value, where: Node) -> Any:
    if value.kind != kind:
        raise FilterError(describe(where), f"Type '{value.kind}', expect '{kind}'.")
    return value.content


def _evaluate(node: Node, subject: Subject) -> _Value:
    match node:
        case Constant(content):
            return _value(content)
        case Identifier(name):
            return _property(name, subject)
        case Not(operand):
            return _value(not _expect("bool", _evaluate(operand, subject), node))
    try:
        return _OPERATIONS[type(node)](node, subject)
    except _TokenError as error:
        raise FilterError(describe(node), str(error)) from None


def _property(name: str, subject: Subject) -> _Value:
    match name.lower():
        case "userid":
            return _Value("string", subject.user_id)
        case "connectionid":
            return _Value("string", subject.connection_id)
        case "groups":
            return _Value("collection", subject.groups)
        case "protocol":
            return _Value("string", subject.protocol)
    raise _TokenError(f"Token '{name}' is not supported.")


def _connect(node: Chain, subject: Subject) -> _Value:
    """Nothing is skipped: a mistake behind `or` is a mistake. Pairs are checked from the left."""
    results: list[bool] = []
    unchecked = [_evaluate(node.operands[0], subject)]
    for count, operand in enumerate(node.operands[1:], start=2):
        unchecked.append(_evaluate(operand, subject))
        for value in unchecked:
            if value.kind != "bool":
                _expect("bool", value, Chain(node.operator, node.operands[:count]))
            results.append(value.content)
        unchecked.clear()
    return _value(all(results) if node.operator == "and" else any(results))


def _compare(node: Comparison, subject: Subject) -> _Value:
    left, right = _evaluate(node.left, subject), _evaluate(node.right, subject)
    if node.operator in ("eq", "ne"):
        return _value(_equal(left, right) is (node.operator == "eq"))
    if "null" in (left.kind, right.kind):
        return _value(False)
    less, more = _expect("int", left, node), _expect("int", right, node)
    results = {"gt": less > more, "ge": less >= more, "lt": less < more, "le": less <= more}
    return _value(results[node.operator])


def _equal(left: _Value, right: _Value) -> bool:
    """Across types never, but for nulls: Python alone would say that 1 is true."""
    both = (left.content, right.content)
    return both == (None, None) or (left.kind == right.kind and both[0] == both[1])


def _contains(node: Membership, subject: Subject) -> _Value:
    item = _evaluate(node.item, subject)
    if isinstance(node.choices, tuple):
        # Every choice is evaluated, so that a mistake in any is found.
        choices = [_evaluate(choice, subject) for choice in node.choices]
        return _value(any(_equal(item, choice) for choice in choices))
    collection = _evaluate(node.choices, subject)
    return _value(item.content in _expect("collection", collection, node))


def _call(node: Call, subject: Subject) -> _Value:
    if node.name not in _FUNCTIONS:
        raise _TokenError(f"Token '{describe(node)}' is not supported.")
    counts, function = _FUNCTIONS[node.name]
    if len(node.arguments) not in counts:
        raise _TokenError(f"Invalid token '{describe(node)}'.")
    return function([_evaluate(argument, subject) for argument in node.arguments], node)


_OPERATIONS: dict[type, Callable[[Any, Subject], _Value]] = {
    Chain: _connect,
    Comparison: _compare,
    Membership: _contains,
    Call: _call,
}


# --- functions -------------------------------------------------------------------------

_Function = Callable[[list[_Value], Call], _Value]


def _texts(values: list[_Value], node: Call) -> list[str] | None:
    """All values as texts, or None if one of them is null."""
    if any(value.content is None for value in values):
        return None
    return [_expect("string", value, node) for value in values]


def _length(values: list[_Value], node: Call) -> _Value:
    # Differs from Azure: characters are counted, which .NET does in UTF-16 units.
    (value,) = values
    if value.content is None:
        return _NULL
    if value.kind not in ("string", "collection"):
        raise _TokenError(f"Invalid token '{describe(node)}'.")
    return _value(len(value.content))


def _transform(change: Callable[[str], str]) -> _Function:
    def function(values: list[_Value], node: Call) -> _Value:
        texts = _texts(values, node)
        return _NULL if texts is None else _value(change(texts[0]))

    return function


def _compute(result: Callable[[str, str], int | bool], without: int | bool) -> _Function:
    """A function of two texts; `without` is what it says where one is null."""

    def function(values: list[_Value], node: Call) -> _Value:
        texts = _texts(values, node)
        return _value(without if texts is None else result(*texts))

    return function


def _concat(values: list[_Value], node: Call) -> _Value:
    present = [value for value in values if value.content is not None]
    if not present:
        return _NULL
    return _value("".join(_expect("string", value, node) for value in present))


def _substring(values: list[_Value], node: Call) -> _Value:
    text, *numbers = values
    start, *lengths = [_expect("int", number, node) for number in numbers]
    if text.content is None:
        return _NULL
    whole = _expect("string", text, node)
    end = start + lengths[0] if lengths else len(whole)
    if not 0 <= start <= end <= len(whole):
        # A null, but still a string: which connection it meets does not change a type.
        return _Value("string", None)
    return _value(whole[start:end])


# Name -> how many arguments it may have, and what it does.
_FUNCTIONS: dict[str, tuple[tuple[int, ...], _Function]] = {
    "length": ((1,), _length),
    "tolower": ((1,), _transform(str.lower)),
    "toupper": ((1,), _transform(str.upper)),
    "trim": ((1,), _transform(str.strip)),
    "contains": ((2,), _compute(str.__contains__, without=False)),
    "startswith": ((2,), _compute(str.startswith, without=False)),
    "endswith": ((2,), _compute(str.endswith, without=False)),
    "indexof": ((2,), _compute(str.find, without=-1)),
    "concat": ((2,), _concat),
    "substring": ((2, 3), _substring),
}
