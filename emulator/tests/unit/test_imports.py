"""House rules of the package: what its modules import, how long its functions are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import webpubsub_emulator

PACKAGE = "webpubsub_emulator"
FOLDER = Path(webpubsub_emulator.__file__).parent
MODULES = {file.stem: file for file in FOLDER.glob("*.py")}
TREES = {name: ast.parse(file.read_text("utf-8")) for name, file in MODULES.items()}
# aiohttp and PyJWT, and what aiohttp itself needs.
DEPENDENCIES = {"aiohttp", "jwt", "multidict", "yarl"}
# Modules of the standard library that Windows does not have.
POSIX_ONLY = {
    *("crypt", "curses", "fcntl", "grp", "nis", "posix", "pty", "pwd", "readline", "resource"),
    *("spwd", "syslog", "termios", "tty"),
}
# The modules with sockets, tasks or a clock. All others only compute.
DOING = {
    *("__init__", "__main__", "calls", "client_socket", "command", "control", "deliveries"),
    *("event_faults", "fixture", "handlers", "http_logs", "keep_alive", "loop_thread"),
    *("operations", "parameters", "problems", "rest", "rest_connections", "rest_faults"),
    *("rest_groups", "rest_messages", "rest_service", "server", "service", "sockets"),
    *("stream_timers", "tokens", "transport", "validator"),
}
DOES = {"aiohttp", "asyncio", "secrets", "socket", "subprocess", "threading", "time"}
LONGEST_BODY = 25
PLUGIN = "pytest_plugin"


def imports(nodes: Iterator[ast.AST]) -> set[str]:
    """Return the full names of the imported modules and members."""
    names = set[str]()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", MODULES)
def test_only_aiohttp_and_pyjwt_are_needed(module: str) -> None:
    allowed = {PACKAGE, *DEPENDENCIES, *sys.stdlib_module_names}
    if module == PLUGIN:
        allowed |= {"pytest"}  # only pytest imports it
    if "protobuf" in module:
        allowed |= {"google"}  # the extra `protobuf`; these modules are imported on first use
    assert roots(imports(ast.walk(TREES[module]))) <= allowed


@pytest.mark.parametrize("module", MODULES)
def test_every_module_can_be_imported_on_windows(module: str) -> None:
    assert not roots(imports(ast.iter_child_nodes(TREES[module]))) & POSIX_ONLY


@pytest.mark.parametrize("module", sorted(MODULES.keys() - DOING))
def test_other_modules_have_no_io_no_tasks_and_no_clock(module: str) -> None:
    assert not roots(imports(ast.walk(TREES[module]))) & DOES


def test_no_import_cycles() -> None:
    graph = {
        module: {
            other
            for name in imports(ast.iter_child_nodes(tree))
            for other in name.removeprefix(f"{PACKAGE}.").split(".")[:1]
            if name.startswith(f"{PACKAGE}.")
        }
        for module, tree in TREES.items()
    }
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_functions_are_short(module: str) -> None:
    functions = (
        node
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert [node.name for node in functions if body_lines(node) > LONGEST_BODY] == []


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of the body without the docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_public_names() -> None:
    for name in webpubsub_emulator.__all__:
        assert getattr(webpubsub_emulator, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        _ = webpubsub_emulator.other


def test_importing_the_package_does_not_import_aiohttp() -> None:
    code = f"import sys, {PACKAGE}; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_emulator_starts_without_protobuf() -> None:
    code = f"import sys, {PACKAGE}.command; print('google' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
