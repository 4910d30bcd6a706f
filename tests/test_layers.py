"""House rules: who may import whom, no cycles, and what would be shipped."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Room of usher -> rooms of usher that it may import; "" is the modules beside the rooms.
USHER = {
    "": {"", "door", "groups"},
    "door": {"", "door", "service"},
    "groups": {"", "groups", "service"},
    "service": {"", "service"},
}
# Top-level package -> packages of ours that it may import. The app is loaded, never linked.
PACKAGES = {
    "usher": {"usher"},
    "function_app": {"usher"},
    "webpubsub_emulator": {"webpubsub_emulator"},
    "localdev": {"localdev", "webpubsub_emulator"},
    "benchmarks": {"benchmarks", "localdev", "webpubsub_emulator"},
    "dev": set[str](),
}
# The composition root and the entry points import every room.
ENTRIES = {"usher.explain", "usher.parts", "usher.self_check"}
# Modules that decide without doing: no sockets, no tasks, no clock.
PURE = {
    "usher": [
        *("door.callers", "door.negotiation", "door.policy", "door.rules"),
        *("errors", "fields", "groups.announcements", "groups.events", "groups.provision_request"),
        *("page", "settings"),
    ],
    "webpubsub_emulator": [
        *("filter_syntax", "filters", "group_patterns", "metadata"),
        *("connection", "effects", "events", "hub", "media_types", "messages", "outgoing"),
        *("client_modes", "frame_queue", "unacknowledged"),
        *("paging", "permissions", "registry", "routes", "upstream", "validations"),
        *("cookies", "handler_settings"),
        *("faults", "inspection", "journal"),
    ],
    "localdev.doctor": ["findings", "fixes", "target"],
    "localdev.storm": ["messages", "outcome", "report"],
    "localdev.host": [
        *("access", "answers", "bindings", "cors", "events", "keys", "routes", "states", "webhook"),
    ],
}
IMPURE = {"aiohttp", "asyncio", "socket", "threading", "time"}
# Apps that are measured beside this one.
APPS = {f"benchmarks.apps.{name}.function_app" for name in ("hello", "bare", "sample")}
SAMPLE = "benchmarks.apps.sample.function_app"
# Who alone may import what.
ONLY = {
    "azure_functions_runtime": {"localdev.host.runtime"},
    "azure.messaging.webpubsubservice": {
        *("usher.service.pubsub", "localdev.demo", "localdev.storm.run", SAMPLE)
    },
    "azure.identity": {"usher.service.pubsub", SAMPLE},
    "azure.functions": {"function_app", "usher.responses", *APPS},
    "os": {"function_app", "usher.explain", "usher.self_check"},
}


def modules() -> dict[str, Path]:
    """Every module outside of the tests, by name."""
    names = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in ROOT.glob("*.py")
    }
    for package in PACKAGES:
        above = ROOT / "emulator" / "src" if package == "webpubsub_emulator" else ROOT
        for file in above.glob(f"{package}/**/*.py"):
            names[".".join(file.relative_to(above).with_suffix("").parts)] = file
    return {name.removesuffix(".__init__"): file for name, file in names.items()}


def imports(file: Path) -> Iterator[str]:
    """Full names of all that a module imports, at any level of it."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(file: Path, known: dict[str, Path]) -> set[str]:
    """Modules of ours that a module imports."""
    names = list(imports(file))
    parents = [name.rpartition(".")[0] for name in names]
    return {name for name in (*names, *parents) if name in known and "." in name}


@pytest.mark.parametrize("name", modules())
def test_packages_keep_to_themselves(name: str) -> None:
    """localdev never imports usher, so that the stand-ins cannot share a mistake with the app."""
    allowed = PACKAGES[name.partition(".")[0]]
    found = {imported.partition(".")[0] for imported in imports(modules()[name])}
    assert found & {*PACKAGES, "tests"} <= allowed


def test_rooms_of_usher() -> None:
    """Each room imports only the rooms that the table allows."""
    known = modules()
    for name, file in known.items():
        if name.startswith("usher."):
            found = {room(imported) for imported in own_imports(file, known)}
            assert found <= USHER[room(name)] or name in ENTRIES, name


def room(module: str) -> str:
    """Return the room of a module of usher."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in USHER else ""


def test_emulator_and_host_do_not_know_each_other() -> None:
    """They meet over HTTP, as Azure's do."""
    known = modules()
    for name, file in known.items():
        if name.startswith("localdev.host"):
            others = [i for i in own_imports(file, known) if i.startswith("webpubsub_emulator")]
            assert not others, name


@pytest.mark.parametrize("package", PURE)
def test_decisions_are_made_without_doing_anything(package: str) -> None:
    """So that tables of inputs and outputs can test them."""
    for name in PURE[package]:
        found = {imported.partition(".")[0] for imported in imports(modules()[f"{package}.{name}"])}
        assert not IMPURE & found, name


def test_no_cycles() -> None:
    """Anywhere."""
    known = modules()
    graph = {name: own_imports(file, known) - {name} for name, file in known.items()}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("wanted", ONLY)
def test_doors(wanted: str) -> None:
    """Some packages have one door; the environment is read in one place of what is shipped."""
    shipped = ("usher", "function_app")
    for name, file in modules().items():
        if wanted == "os" and not name.startswith(shipped):
            continue
        through = {i for i in imports(file) if f"{i}.".startswith(f"{wanted}.")}
        assert not through or name in ONLY[wanted], name
