"""House rules: which module may import which, no import cycles, and short functions.

The emulator has rules of its own, in emulator/tests/unit/test_imports.py.
"""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {"webpubsub_emulator": ROOT / "emulator" / "src"}  # other packages are in ROOT

# Package -> our packages that it may import. localdev loads the app and never imports it, so that
# the emulator and the host cannot share a mistake with the app.
PACKAGES = {
    "function_app": {"usher"},
    "usher": {"usher"},
    "webpubsub_emulator": {"webpubsub_emulator"},
    "localdev": {"localdev", "webpubsub_emulator"},
    "benchmarks": {"benchmarks", "localdev", "webpubsub_emulator"},
    "dev": {"localdev"},  # only what runs before anything is installed; tests/localdev/test_dev.py
}
# Room of usher -> rooms that it may import. "" has the modules outside of the rooms.
ROOMS = {
    "": {""},
    "service": {"", "service"},
    "store": {"", "store"},
    "door": {"", "service", "store", "door"},
    "groups": {"", "service", "store", "groups"},
}
# Settings have a mode and a format as values, so their tables come before the settings.
EXCEPTIONS = {"usher.settings": {"usher.door.modes", "usher.groups.announcements"}}
# The composition root and the two entry points besides function_app.
ABOVE_ROOMS = {"usher.parts", "usher.explain", "usher.self_check"}
# Modules that only compute: without sockets, tasks and clock.
PURE = {
    "usher": [
        *("door.callers", "door.modes", "door.policy", "door.policy_file", "door.rules"),
        *("errors", "fields", "groups.announcements", "groups.events", "groups.provision_request"),
        *("groups.removal_request",),
        *("door.seal", "groups.presence", "names", "page", "settings"),
        *("service.group_list", "service.tokens"),
    ],
    "localdev.doctor": ["findings", "fixes", "target"],
    "localdev.storm": ["messages", "outcome", "report"],
    "localdev.host": [
        *("access", "answers", "bindings", "cors", "events", "keys", "routes", "states", "webhook"),
    ],
}
IMPURE = {"aiohttp", "asyncio", "socket", "threading", "time"}
# Apps that the benchmarks compare with this one.
APPS = {f"benchmarks.apps.{name}.function_app" for name in ("hello", "bare", "sample")}
SAMPLE = "benchmarks.apps.sample.function_app"
# Package -> the only modules that may import it.
ONLY = {
    "azure_functions_runtime": {"localdev.host.runtime"},
    "azure.core": {"usher.service.pubsub", "usher.store.table"},
    "azure.data.tables": {"usher.store.table"},
    "sqlite3": {"usher.store.sqlite"},
    "azure.messaging.webpubsubservice": {
        *("usher.service.pubsub", "localdev.demo", "localdev.storm.run", SAMPLE)
    },
    "azure.identity": {"usher.service.pubsub", "usher.store.table", SAMPLE},
    "azure.functions": {"function_app", "usher.responses", *APPS},
}
# Of the shipped modules, only these read the environment.
READS_ENVIRONMENT = {"function_app", "usher.explain", "usher.self_check"}
LONGEST_BODY = 25  # lines of a function, without its docstring


def find_modules() -> dict[str, Path]:
    """Return the file of every module outside of the tests."""
    modules = {file.stem: file for file in ROOT.glob("*.py")}
    for package in PACKAGES:
        folder = SOURCES.get(package, ROOT)
        for file in folder.glob(f"{package}/**/*.py"):
            name = ".".join(file.relative_to(folder).with_suffix("").parts)
            modules[name.removesuffix(".__init__")] = file
    return modules


MODULES = find_modules()


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text("utf-8"))


def imports(name: str) -> Iterator[str]:
    """Yield the full name of everything that a module imports, also inside functions."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(name: str) -> set[str]:
    """Return our modules that a module imports."""
    names = list(imports(name))
    parents = [imported.rpartition(".")[0] for imported in names]
    return {each for each in (*names, *parents) if each in MODULES and "." in each}


def room(module: str) -> str:
    """Return the room of a module of usher."""
    name = module.split(".")[1]
    return name if name in ROOMS else ""


@pytest.mark.parametrize("name", MODULES)
def test_packages(name: str) -> None:
    found = {imported.partition(".")[0] for imported in imports(name)}
    assert found & {*PACKAGES, "tests"} <= PACKAGES[name.partition(".")[0]]


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("usher.")])
def test_rooms(name: str) -> None:
    found = own_imports(name) - EXCEPTIONS.get(name, set())
    assert name in ABOVE_ROOMS or {room(imported) for imported in found} <= ROOMS[room(name)]


def test_emulator_and_host_do_not_know_each_other() -> None:
    """They meet over HTTP, as in Azure."""
    for name in MODULES:
        if name.startswith("localdev.host"):
            found = {imported.partition(".")[0] for imported in own_imports(name)}
            assert "webpubsub_emulator" not in found, name


@pytest.mark.parametrize("package", PURE)
def test_pure_modules_have_no_io_no_tasks_and_no_clock(package: str) -> None:
    for name in PURE[package]:
        found = {imported.partition(".")[0] for imported in imports(f"{package}.{name}")}
        assert not IMPURE & found, name


def test_tests_use_the_public_names_of_the_emulator() -> None:
    """As other projects do: the fixtures of its pytest plugin, and what the package exports.

    The service chooses connection ids itself, so only the filter's parser can try all of them.
    """
    found = {
        (file.relative_to(ROOT).as_posix(), node.module)
        for file in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("webpubsub_emulator.")
    }
    assert found == {("tests/usher/service/test_filters.py", "webpubsub_emulator.filters")}


def test_no_import_cycles() -> None:
    TopologicalSorter({name: own_imports(name) - {name} for name in MODULES}).prepare()


@pytest.mark.parametrize("package", ONLY)
def test_packages_that_few_modules_may_import(package: str) -> None:
    found = {
        name
        for name in MODULES
        if any(f"{imported}.".startswith(f"{package}.") for imported in imports(name))
    }
    assert found <= ONLY[package]


def test_the_environment_is_read_in_few_places() -> None:
    shipped = [name for name in MODULES if name.startswith(("usher", "function_app"))]
    found = {name for name in shipped if {"os", "os.environ"} & {*imports(name)}}
    assert found <= READS_ENVIRONMENT


@pytest.mark.parametrize("name", MODULES)
def test_functions_are_short(name: str) -> None:
    """A body is counted without its docstring."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= LONGEST_BODY, f"{node.name} has {lines} lines"
