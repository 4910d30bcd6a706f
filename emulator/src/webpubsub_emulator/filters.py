"""OData filters: which connections a REST call selects. The grammar is in filter_syntax.py."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

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
    """A filter that the service refuses. The text is the service's own."""

    def __init__(self, expression: str, detail: str) -> None:
        super().__init__(f"Invalid syntax for '{expression}': {detail} (Parameter 'filter')")


@dataclass(frozen=True, slots=True)
class Subject:
    """The properties of a connection that a filter can use."""

    user_id: str | None
    connection_id: str
    groups: Collection[str]
    protocol: str | None


# The service checks types with this connection before any other.
_EMPTY_SUBJECT = Subject(user_id=None, connection_id="", groups=(), protocol=None)


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter without syntax and type errors, as `parse_filter` returns it."""

    tree: Node

    def matches(self, subject: Subject) -> bool:
        """Return whether the filter selects the connection.

        Raises FilterError for a type error that `parse_filter` could not find: it checks without
        a user id, and null compares with every type.
        """
        try:
            return bool(_expect("bool", _evaluate(self.tree, subject), self.tree))
        except _TokenError as error:
            raise FilterError(describe(self.tree), str(error)) from None


def parse_filter(text: str) -> Filter:
    """Read a filter (reference-odata-filter).

    Raises FilterError, also for unknown identifiers and functions and for types that do not fit,
    because every part is evaluated once, even after `or`.
    """
    try:
        result = Filter(parse(text))
    except FilterSyntaxError as error:
        raise FilterError(text, str(error)) from None
    result.matches(_EMPTY_SUBJECT)
    return result


class _TokenError(Exception):
    """A part that is unknown. The FilterError quotes the expression around it."""


Kind: TypeAlias = Literal["null", "bool", "int", "string", "collection"]


class _Value(NamedTuple):
    """A value with its type. A user id has the type string even if it is null."""

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
    """Evaluate every operand, because an error after `or` counts. Pairs are checked in order."""
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
    """Compare without Python's equality of 1 and True. Only nulls of different types are equal."""
    both = (left.content, right.content)
    return both == (None, None) or (left.kind == right.kind and both[0] == both[1])


def _contains(node: Membership, subject: Subject) -> _Value:
    item = _evaluate(node.item, subject)
    if isinstance(node.choices, tuple):
        # Every choice is evaluated, so that an error in any of them is found.
        choices = [_evaluate(choice, subject) for choice in node.choices]
        return _value(any(_equal(item, choice) for choice in choices))
    collection = _evaluate(node.choices, subject)
    return _value(item.content in _expect("collection", collection, node))


def _call(node: Call, subject: Subject) -> _Value:
    known = _FUNCTIONS.get(node.name.lower())
    if known is None:
        raise _TokenError(f"Token '{describe(node)}' is not supported.")
    counts, function = known
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

_Function: TypeAlias = Callable[[list[_Value], Call], _Value]


def _texts(values: list[_Value], node: Call) -> list[str] | None:
    """Return all values as texts, or None if one of them is null."""
    if any(value.content is None for value in values):
        return None
    return [_expect("string", value, node) for value in values]


def _length(values: list[_Value], node: Call) -> _Value:
    # Differs from Azure: counts characters, where .NET counts UTF-16 units.
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
    """Return a function of two texts, whose result is `without` if one of them is null."""

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
        # Null, but of the type string: the type must not depend on the connection.
        return _Value("string", None)
    return _value(whole[start:end])


# Name in lower case -> the allowed numbers of arguments, and the function.
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
