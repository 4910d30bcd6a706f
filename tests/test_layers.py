"""House rules: who may import whom, no cycles, and what would be shipped."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Module of usher -> modules of usher that it may import.
USHER = {
    "errors": set[str](),
    "logs": set[str](),
    "tokens": set[str](),
    "settings": {"errors"},
    "events": {"errors", "settings"},
    "fields": {"errors", "settings"},
    "negotiation": {"errors", "settings", "fields"},
    "callers": {"errors", "settings"},
    "announcements": {"events"},
    "retries": {"errors"},
    "digest": {"announcements"},
    "health": {"errors", "logs"},
    "roster": set[str](),
    "rules": {"callers"},
    "policy_file": {"errors", "rules", "settings"},
    "policy": {"errors", "settings", "callers", "rules"},
    "limits": {"errors", "settings"},
    "workflow": {
        *("errors", "events", "tokens", "announcements", "digest", "retries", "logs"),
    },
    "provision_request": {"announcements", "errors", "fields", "settings"},
    "provision": {"errors", "provision_request", "retries", "tokens", "workflow"},
    "signing": {"settings", "tokens"},
    "pubsub": {"announcements", "errors", "settings", "signing", "tokens"},
    "oidc": {"errors", "logs", "settings"},
    "page": {"errors", "settings"},
    "responses": {"errors", "logs"},
    # A second entry point, beside function_app.
    "explain": {
        *("callers", "errors", "policy", "policy_file", "pubsub", "rules", "settings"),
        *("tokens", "workflow"),
    },
    # A third one, for `dev.py doctor`.
    "self_check": {"errors", "policy_file", "settings"},
}
# Top-level package -> packages of ours that it may import. The app is loaded, never linked.
PACKAGES = {
    "usher": {"usher"},
    "function_app": {"usher"},
    "localdev": {"localdev"},
    "benchmarks": {"benchmarks", "localdev"},
    "dev": set[str](),
}
# Modules that decide without doing: no sockets, no tasks, no clock.
PURE = {
    "usher": [
        *("announcements", "callers", "errors", "events", "fields", "negotiation", "page"),
        *("policy", "provision_request", "rules"),
        "settings",
    ],
    "localdev.emulator": [
        *("filter_syntax", "filters", "group_patterns", "metadata"),
        *("connection", "effects", "events", "hub", "media_types", "messages", "outgoing"),
        *("client_modes", "frame_queue", "unacknowledged"),
        *("paging", "permissions", "registry", "routes", "upstream", "validations"),
        *("cookies", "handler_settings"),
        *("faults", "inspection", "journal"),
    ],
    "localdev.doctor": ["findings", "remedies", "target"],
    "localdev.storm": ["ears", "outcome", "plan", "records", "report"],
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
        *("usher.pubsub", "localdev.demo", "localdev.storm.storm", SAMPLE)
    },
    "azure.identity": {"usher.pubsub", SAMPLE},
    "azure.functions": {"function_app", "usher.responses", *APPS},
    "os": {"function_app", "usher.explain", "usher.self_check"},
}


def modules() -> dict[str, Path]:
    """Every module outside of the tests, by name."""
    packages = (file for package in PACKAGES for file in ROOT.glob(f"{package}/**/*.py"))
    files = [*ROOT.glob("*.py"), *packages]
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}
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


def test_layers_of_usher() -> None:
    """Each module imports lower ones only; a module that is not in the table is not known."""
    known = modules()
    found = {
        name.removeprefix("usher."): own_imports(file, known)
        for name, file in known.items()
        if name.startswith("usher.")
    }
    assert found.keys() == USHER.keys()
    for name, imported in found.items():
        assert {module.removeprefix("usher.") for module in imported} <= USHER[name], name


def test_emulator_and_host_do_not_know_each_other() -> None:
    """They meet over HTTP, as Azure's do."""
    known = modules()
    for name, file in known.items():
        for one, other in (("emulator", "host"), ("host", "emulator")):
            if name.startswith(f"localdev.{one}"):
                others = [i for i in own_imports(file, known) if i.startswith(f"localdev.{other}")]
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
