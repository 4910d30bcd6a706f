"""Sums of import times, from the output of `-X importtime`."""

from benchmarks.imports import import_times, sum_packages

LOG = """\
import time: self [us] | cumulative | imported package
import time:       500 |        500 |   email.message
import time:      1500 |       2000 |   azure.core.rest
a line of another program
import time:       250 |        250 |     azure.core
import time:      4000 |       6000 | aiohttp
import time:       100 |        100 | azure.functions
"""


def test_only_a_module_s_own_time_counts() -> None:
    """The time of the modules that it imports is not included."""
    assert import_times(LOG)["aiohttp"] == 4.0


def test_packages_are_sums_of_their_modules() -> None:
    """The largest is first. `azure` is several packages. Imports of hello world do not count."""
    sums = sum_packages(import_times(LOG), ["azure.functions"])
    assert list(sums.items()) == [("aiohttp", 4.0), ("azure.core", 1.75), ("standard library", 0.5)]
