"""OData filters: from text to a tree, and back to text. filters.py evaluates the tree."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

# How deep parentheses, `not` and calls may be nested. Each level takes some of Python's stack.
# Differs from Azure: Microsoft's emulator reads 100 levels.
NESTING_LIMIT = 50

COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")

_INT32 = range(-(2**31), 2**31)
_CONSTANTS = {"true": True, "false": False, "null": None}
_RESERVED = {"and", "or", "not", "in", *COMPARISONS}
_TOKEN = re.compile(
    r"(?P<string>'(?:[^']|'')*+')|(?P<number>-?[0-9]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<mark>[(),])"
)
_BLANKS = re.compile(r"\s*")


class FilterSyntaxError(Exception):
    """The text is not a filter. The message has the position."""


@dataclass(frozen=True, slots=True)
class Constant:
    value: str | int | bool | None


@dataclass(frozen=True, slots=True)
class Identifier:
    """A property of the connection, in the spelling of the filter."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values with one of COMPARISONS between them."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Membership:
    """`item in choices`: a list in parentheses, or one value that must be a collection."""

    item: "Node"
    choices: "Node | tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Chain:
    """Two or more operands with `and`, or with `or`, between them."""

    operator: str
    operands: tuple["Node", ...]


Node: TypeAlias = Constant | Identifier | Call | Not | Comparison | Membership | Chain


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parse(text: str) -> Node:
    """Return the tree of a filter (reference-odata-filter, "Formal grammar").

    Raises FilterSyntaxError.
    """
    return _Parser(text).parse()


def _lex(text: str) -> list[_Token]:
    tokens = []
    position = _after_blanks(text, 0)
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise _problem(text, position)
        tokens.append(_Token(found.lastgroup, found[0], position))
        position = _after_blanks(text, found.end())
    return [*tokens, _Token("end", "", len(text))]


def _after_blanks(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    return blanks.end() if blanks else position


def _problem(text: str, position: int) -> FilterSyntaxError:
    return FilterSyntaxError(f"Syntax error at position {position} in '{text}'.")


class _Parser:
    """Reads a filter from left to right. `in` and calls bind tightest, then `not`, `eq`, `and`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _lex(text)
        self._index = 0
        self._depth = 0

    def parse(self) -> Node:
        node = self._expression()
        if self._token.kind != "end":
            raise self._unexpected()
        return node

    @property
    def _token(self) -> _Token:
        return self._tokens[self._index]

    def _unexpected(self) -> FilterSyntaxError:
        return _problem(self._text, self._token.position)

    def _take(self, *texts: str) -> str | None:
        """Consume the next token and return its text, if it is one of these words or marks."""
        token = self._token
        if token.kind not in ("name", "mark") or token.text not in texts:
            return None
        self._index += 1
        return token.text

    def _expect(self, text: str) -> None:
        if self._take(text) is None:
            raise self._unexpected()

    def _expression(self) -> Node:
        alternatives = []
        while True:
            factors = [self._comparison()]
            while self._take("and"):
                factors.append(self._comparison())
            alternatives.append(_chain("and", factors))
            if not self._take("or"):
                return _chain("or", alternatives)

    def _comparison(self) -> Node:
        left = self._negation()
        operator = self._take(*COMPARISONS)
        return left if operator is None else Comparison(operator, left, self._negation())

    def _negation(self) -> Node:
        if self._take("not"):
            self._enter()
            operand = self._negation()
            self._depth -= 1
            return Not(operand)
        item = self._primary()
        return Membership(item, self._choices()) if self._take("in") else item

    def _choices(self) -> "Node | tuple[Node, ...]":
        return self._list() if self._take("(") else self._primary()

    def _primary(self) -> Node:
        token = self._token
        if self._take("("):
            self._enter()
            node = self._expression()
            self._expect(")")
            self._depth -= 1
            return node
        if token.kind in ("mark", "end") or token.text in _RESERVED:
            raise self._unexpected()
        self._index += 1
        if token.kind == "name":
            return self._named(token.text)
        return self._constant(token)

    def _named(self, name: str) -> Node:
        if self._take("("):
            return Call(name, () if self._take(")") else self._list())
        return Constant(_CONSTANTS[name]) if name in _CONSTANTS else Identifier(name)

    def _constant(self, token: _Token) -> Constant:
        if token.kind == "string":
            return Constant(token.text[1:-1].replace("''", "'"))
        # At most ten digits and a sign, because Python refuses to convert very long numbers.
        if len(token.text) > 11 or int(token.text) not in _INT32:
            raise _problem(self._text, token.position)
        return Constant(int(token.text))

    def _list(self) -> tuple[Node, ...]:
        """Return the values up to the closing parenthesis. The opening one is consumed already."""
        self._enter()
        values = [self._expression()]
        while self._take(","):
            values.append(self._expression())
        self._expect(")")
        self._depth -= 1
        return tuple(values)

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > NESTING_LIMIT:
            raise FilterSyntaxError("The filter is nested too deeply.")


def _chain(operator: str, operands: Sequence[Node]) -> Node:
    return operands[0] if len(operands) == 1 else Chain(operator, tuple(operands))


def describe(node: Node) -> str:
    """Return the node as text, as the service prints it in errors."""
    match node:
        case Constant(value):
            return _describe_constant(value)
        case Identifier(name):
            return name
        case Call(name, arguments):
            return f"{name}({','.join(map(describe, arguments))})"
        case Not(operand):
            return f"not {_wrap(operand)}"
        case Comparison(operator, left, right):
            return f"{_wrap(left)} {operator} {_wrap(right)}"
        case Membership(item, choices):
            return f"{describe(item)} in {_describe_choices(choices)}"
        case Chain(operator, operands):
            return _describe_chain(operator, operands)


def _describe_constant(value: str | int | bool | None) -> str:
    if value is None:
        return "null"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _describe_choices(choices: Node | tuple[Node, ...]) -> str:
    if isinstance(choices, tuple):
        return f"({','.join(map(describe, choices))})"
    return describe(choices)


def _describe_chain(operator: str, operands: Sequence[Node]) -> str:
    # As `(a or b) or c`, because the service reads a chain as pairs from the left.
    texts = [_wrap(operand) for operand in operands]
    return (
        "(" * (len(texts) - 2)
        + f" {operator} ".join(texts[:2])
        + "".join(f") {operator} {text}" for text in texts[2:])
    )


def _wrap(node: Node) -> str:
    text = describe(node)
    return text if isinstance(node, Constant | Identifier | Call) else f"({text})"
