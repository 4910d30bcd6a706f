"""The constraints of route parameters, such as ``int`` in ``{id:int}``.

Source: aspnetcore, the classes of Microsoft.AspNetCore.Routing.Constraints.
"""

import re
from collections.abc import Callable

type Constraint = Callable[[str], bool]

INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
NUMBER = re.compile(r"\s*[+-]?[0-9,]*\.?[0-9]+(?:[Ee][+-]?[0-9]+)?\s*")
GUID = re.compile(
    r"[0-9a-f]{32}|[{(]?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[)}]?", re.IGNORECASE
)


class UnknownConstraintError(ValueError):
    """The text is the constraint that ASP.NET Core does not know, or that lacks its arguments."""


def read_constraint(text: str) -> Constraint:
    """Return the check for a constraint as it is in a template: ``int`` or ``length(3)``."""
    name, has_arguments, rest = text.partition("(")
    arguments = [rest.removesuffix(")")] if has_arguments else []
    if arguments and name != "regex":
        arguments = arguments[0].split(",")
    try:
        return BUILDERS[name.lower()](*arguments)
    except (KeyError, TypeError, ValueError):
        raise UnknownConstraintError(text) from None


def _matches(pattern: re.Pattern[str]) -> Constraint:
    return lambda value: pattern.fullmatch(value) is not None


def _integer(bits: int) -> Constraint:
    limit = 2 ** (bits - 1)
    return lambda value: bool(INTEGER.fullmatch(value)) and -limit <= int(value) < limit


def _length(least: str, most: str | None = None) -> Constraint:
    low, high = int(least), int(least if most is None else most)
    return lambda value: low <= len(value) <= high


def _value(least: str | None, most: str | None) -> Constraint:
    is_long = _integer(64)
    low = -(2**63) if least is None else int(least)
    high = 2**63 if most is None else int(most)
    return lambda value: is_long(value) and low <= int(value) <= high


def _regex(pattern: str) -> Constraint:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda value: compiled.search(value) is not None


# Differs from Azure: `datetime`, `file` and `nonfile` are not here.
BUILDERS: dict[str, Callable[..., Constraint]] = {
    "alpha": lambda: _matches(re.compile("[A-Za-z]*")),
    "bool": lambda: _matches(re.compile(r"\s*(?:true|false)\s*", re.IGNORECASE)),
    "decimal": lambda: _matches(NUMBER),
    "double": lambda: _matches(NUMBER),
    "float": lambda: _matches(NUMBER),
    "guid": lambda: _matches(GUID),
    "int": lambda: _integer(32),
    "length": _length,
    "long": lambda: _integer(64),
    "max": lambda most: _value(None, most),
    "maxlength": lambda most: _length("0", most),
    "min": lambda least: _value(least, None),
    "minlength": lambda least: _length(least, str(2**31)),
    "range": lambda least, most: _value(least, most),
    "regex": _regex,
    "required": lambda: bool,
}
