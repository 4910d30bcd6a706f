"""README, Deploy: its commands do what they say, as far as stand-ins can tell."""

import json
import re
from pathlib import Path

import pytest

from tests.infra.bicep import INFRA, MAIN, ROOT, default_of, read
from tests.infra.test_connect_hub import Azure, needs_sh

README = (ROOT / "README.md").read_text("utf-8")
VARIABLES = {
    name: given["value"].strip("${}")
    for name, given in json.loads((INFRA / "main.parameters.json").read_text("utf-8"))[
        "parameters"
    ].items()
}


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    found = README.partition(f"\n### {title}\n")[2]
    assert found, title
    return re.split(r"^##", found, flags=re.MULTILINE)[0]


def commands(title: str) -> str:
    """All that a person would paste, one after the other."""
    return "".join(re.findall(r"^ *```sh\n(.*?)^ *```", section(title), re.DOTALL | re.MULTILINE))


@pytest.fixture
def azure(tmp_path: Path) -> Azure:
    """With the other commands, too, which are only noted."""
    azure = Azure(tmp_path)
    for name in ("azd", "curl", "func"):
        azure.add_command(name, f'echo "{name} $@" >> "{azure.folder}/others"')
    return azure


@needs_sh
def test_az_and_func_deploy_it(azure: Azure) -> None:
    """Resources, code, hub, health; app and address are asked for on the way."""
    done = azure.run("sh", "-euc", commands("With az and func"))
    assert done.returncode == 0, done.stderr
    assert azure.lines("others") == [
        "func azure functionapp publish func-usher-x --python",
        "curl -i https://func-usher-x.example/api/health",
    ]
    assert azure.hub()["given"]["functionAppName"] == "func-usher-x"


@needs_sh
def test_az_gives_what_main_bicep_needs(azure: Azure) -> None:
    """Every parameter exists, and those without a default are there."""
    azure.run("sh", "-euc", commands("With az and func"))
    (call,) = [call for call in azure.calls() if call[:3] == ["deployment", "sub", "create"]]
    given = {pair.partition("=")[0] for pair in call if "=" in pair}
    parameters = read(MAIN)["parameters"]
    required = {name for name in parameters if parameters[name]["default"] is None}
    assert required <= given <= parameters.keys()


@needs_sh
def test_azd_gives_what_main_bicep_needs(azure: Azure) -> None:
    """azd itself knows environment and location; what is set is read by main.parameters.json."""
    done = azure.run("sh", "-euc", commands("With azd"))
    assert done.returncode == 0, done.stderr
    chosen = [line.split()[3] for line in azure.lines("others") if line.startswith("azd env set")]
    assert {*chosen} <= {*VARIABLES.values()}
    assert {"USHER_ALLOWED_ORIGINS", "USHER_AUTH"} <= {*chosen}
    assert "azd up" in azure.lines("others")


@needs_sh
def test_keys_and_identity_are_made_anew(azure: Azure) -> None:
    """The commands can be read by a shell, and the key ends in the hub; nothing shows it."""
    title = "Keys and the identity, made anew"
    done = azure.run("sh", "-euc", commands(title), APP="func-usher-x")
    assert done.returncode == 0, done.stderr
    assert azure.hub()["given"]["functionAppName"] == "func-usher-x"


def test_the_table_of_parameters_is_right() -> None:
    """Names, azd's variables and defaults."""
    rows = re.findall(r"^\| (`[^|]+) \| (`[^|]+) \| ([^|]+) \|", section("With az and func"), re.M)
    assert len(rows) == 6
    for names, variables, defaults in rows:
        parameters = re.findall(r"`(\w+)`", names)
        assert re.findall(r"`(\w+)`", variables) == [VARIABLES[name] for name in parameters]
        told = re.findall(r"`([^`]+)`", defaults) or [""]
        assert told == [write(default_of(name)) for name in parameters]


def write(default: object) -> str:
    """A default as a person would write it."""
    return default if isinstance(default, str) else json.dumps(default)
