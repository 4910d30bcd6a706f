"""The cost of imports, from the output of Python's `-X importtime`. Nothing is measured here."""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping

STANDARD_LIBRARY = "standard library"
_LINE = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.MULTILINE)
# Distributions whose first name is a namespace that several distributions share.
_SHARED = ("azure.core", "azure.functions", "azure.identity", "azure.messaging.webpubsubservice")


def import_times(log: str) -> dict[str, float]:
    """Return each module's own time in ms, without the modules that it imports."""
    return {name: int(us) / 1000 for us, name in _LINE.findall(log)}


def sum_packages(times: Mapping[str, float], known: Iterable[str]) -> dict[str, float]:
    """Return the time in ms of each package, largest first, without the `known` modules."""
    sums: dict[str, float] = defaultdict(float)
    for name in times.keys() - set(known):
        sums[_package_of(name)] += times[name]
    return dict(sorted(sums.items(), key=lambda item: item[1], reverse=True))


def _package_of(module: str) -> str:
    shared = (name for name in _SHARED if f"{module}.".startswith(f"{name}."))
    package = next(shared, module.partition(".")[0])
    return STANDARD_LIBRARY if package in sys.stdlib_module_names else package
