"""Commands for a deployment, in README.md and docs/: stand-ins of az, azd, func and gh run them."""

import json
import re
from pathlib import Path

import pytest

from tests.infra import arm
from tests.infra.bicep import INFRA, MAIN, ROOT, default_of, read
from tests.infra.test_connect_hub import Azure, needs_sh

README = ROOT / "README.md"
DEPLOY = ROOT / "docs" / "deploy.md"
OPERATIONS = ROOT / "docs" / "operations.md"
VARIABLES = {
    name: given["value"].strip("${}")
    for name, given in json.loads((INFRA / "main.parameters.json").read_text("utf-8"))[
        "parameters"
    ].items()
}


def section(page: Path, title: str) -> str:
    """Return the text below a heading, up to the next heading of its level."""
    _, found, text = page.read_text("utf-8").partition(f"\n## {title}\n")
    assert found, title
    return re.split(r"^## ", text, flags=re.MULTILINE)[0]


def commands(page: Path, title: str) -> str:
    """Return all commands of a section, in their order."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", section(page, title), re.DOTALL | re.MULTILINE)
    return "".join(blocks)


@pytest.fixture
def azure(tmp_path: Path) -> Azure:
    """Stand-ins for all commands; all but az only write down how they were called."""
    azure = Azure(tmp_path)
    for name in ("azd", "curl", "func", "gh", "python3"):
        azure.add_command(name, f'echo "{name} $@" >> "{azure.folder}/others"')
    return azure


@needs_sh
def test_az_and_func_deploy_it(azure: Azure) -> None:
    """Resources, code, hub, health; the commands find out app and address themselves."""
    done = azure.run("sh", "-euc", commands(DEPLOY, "With az and func"))
    assert done.returncode == 0, done.stderr
    assert azure.lines("others") == [
        "func azure functionapp publish func-usher-x --python",
        "curl -i https://func-usher-x.example/api/health",
    ]
    assert azure.hub()["given"]["functionAppName"] == "func-usher-x"


@needs_sh
def test_a_backend_gets_the_function_key(azure: Azure) -> None:
    """In `key` mode; the commands find out the app themselves."""
    done = azure.run("sh", "-euc", commands(DEPLOY, "Function key (`key` mode)"))
    assert (done.returncode, done.stdout) == (0, "d\n"), done.stderr


def test_a_change_publishes_the_code() -> None:
    """The policy is part of the package, too: without step 3 the old one stays."""
    assert "repeat steps 2, 3 and 4." in section(DEPLOY, "With az and func")
    assert re.findall(r"^(\d)\. Publish the code", section(DEPLOY, "With az and func"), re.M) == [
        "3"
    ]


def test_github_s_environment_exists_before_its_credential() -> None:
    text = commands(DEPLOY, "From GitHub")
    made = text.index("environments/production\n")
    assert made < text.index("environment:production")


@pytest.mark.parametrize("members", ["1,000", "10,000"])
def test_the_costs_use_the_tables_of_the_page_about_scale(members: str) -> None:
    """Messages of texts and of events, from the row of a group of this size."""
    row = rf"^\| {members} \| \d+ \| [\d,]+ \| [\d,]+ \| ([\d,]+) \| ([\d,]+) \|"
    found = re.search(row, (ROOT / "docs" / "scale.md").read_text("utf-8"), re.MULTILINE)
    assert found
    messages = sum(int(count.replace(",", "")) for count in found.groups())
    assert f"{messages:,} messages" in section(DEPLOY, "What it costs")


# What PowerShell reads otherwise: continued lines, variables, functions, and curl, its own alias.
POSIX_ONLY = re.compile(r"\\\n|^\s*[A-Z_]+=|\(\) \{|^\s*curl |\.sh\b", re.MULTILINE)
PAIRS = re.findall(
    r"^ *```sh\n(.*?)^ *```\n(?: *```powershell\n(.*?)^ *```\n)?",
    DEPLOY.read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)


@pytest.mark.parametrize(("posix", "powershell"), PAIRS)
def test_powershell_has_the_same_commands(posix: str, powershell: str) -> None:
    """A block that PowerShell reads otherwise is followed by one for it, with the same options."""
    if not POSIX_ONLY.search(posix):
        assert not powershell
        return
    assert not POSIX_ONLY.search(powershell)
    assert words(posix) == words(powershell)


def words(block: str) -> list[str]:
    """Return the commands with their subcommands, and all options, in any order."""
    block = re.sub(r"curl\.exe", "curl", block).replace(".ps1", ".sh")
    called = r"\b(?:az|azd|func|gh|curl)(?: [a-z][a-z-]*)+|connect-hub\.sh"
    return sorted(re.findall(rf"{called}|(?<= )--[a-z-]+", block))


@needs_sh
def test_az_gives_what_main_bicep_needs(azure: Azure) -> None:
    """Every parameter exists, and every required parameter is given."""
    azure.run("sh", "-euc", commands(DEPLOY, "With az and func"))
    (call,) = [call for call in azure.calls() if call[:3] == ["deployment", "sub", "create"]]
    given = {pair.partition("=")[0] for pair in call if "=" in pair}
    parameters = read(MAIN)["parameters"]
    required = {name for name in parameters if parameters[name]["default"] is None}
    assert required <= given <= parameters.keys()


@needs_sh
@pytest.mark.parametrize(
    ("page", "title"), [(README, "Deploy to Azure"), (DEPLOY, "With azd")], ids=["README", "deploy"]
)
def test_azd_gives_what_main_bicep_needs(azure: Azure, page: Path, title: str) -> None:
    """azd itself asks for environment and location; main.parameters.json reads what is set."""
    done = azure.run("sh", "-euc", commands(page, title))
    assert done.returncode == 0, done.stderr
    chosen = [line.split()[3] for line in azure.lines("others") if line.startswith("azd env set")]
    assert {*chosen} <= {*VARIABLES.values()}
    assert {"USHER_ALLOWED_ORIGINS", "USHER_AUTH"} <= {*chosen}
    assert "azd up" in azure.lines("others")


@needs_sh
def test_keys_and_identity_are_rotated(azure: Azure) -> None:
    """A shell can run the commands, and the hub gets the key; no output shows it."""
    script = commands(OPERATIONS, "Keys and rotation")
    done = azure.run("sh", "-euc", script, APP="func-usher-x")
    assert done.returncode == 0, done.stderr
    assert azure.hub()["given"]["functionAppName"] == "func-usher-x"
    assert ["identity", "delete", "--ids", "id-x"] in azure.calls()


@needs_sh
def test_github_s_identity_has_roles_in_one_resource_group(azure: Azure) -> None:
    """In the subscription it may only run deployments. It may assign only our roles."""
    done = azure.run("sh", "-euc", commands(DEPLOY, "From GitHub"))
    assert done.returncode == 0, done.stderr
    given = [call for call in azure.calls() if call[:3] == ["role", "assignment", "create"]]
    roles = {value(call, "--role"): call for call in given}
    wide = [name for name, call in roles.items() if "/rg-usher" not in value(call, "--scope")]
    assert wide == ["Usher deployment"]
    assert roles.keys() == {*wide, "Contributor", "Role Based Access Control Administrator"}
    assert value(roles["Role Based Access Control Administrator"], "--condition") == CONDITION
    (own,) = [call for call in azure.calls() if call[:3] == ["role", "definition", "create"]]
    actions = json.loads(value(own, "--role-definition"))["Actions"]
    assert all(action.startswith("Microsoft.Resources/") for action in actions)


CONDITION = (INFRA / "github-condition.txt").read_text("utf-8").strip()


def value(call: list[str], option: str) -> str:
    return call[call.index(option) + 1]


def test_the_condition_names_the_roles_of_the_templates() -> None:
    """For new and for removed assignments, and for identities only."""
    for lists in re.findall(r"GuidEquals \{([^}]*)\}", CONDITION):
        assert sorted(lists.split(", ")) == sorted(arm.ROLES.values())
    for action, source in (("write", "@Request"), ("delete", "@Resource")):
        guarded = rf"roleAssignments/{action}'\}}\)\s+OR \(\s+{source}\[[^\]]+:RoleDefinitionId\]"
        assert re.search(guarded, CONDITION)
    assert CONDITION.count("{'ServicePrincipal'}") == 2
    assert CONDITION.count("(") == CONDITION.count(")")


@needs_sh
def test_the_system_key_is_renewed_without_a_gap(azure: Azure) -> None:
    """The hub sends a valid key at each moment, and every instance forgets the old keys."""
    azure.run("sh", "-euc", commands(OPERATIONS, "Keys and rotation"), APP="func-usher-x")
    steps = [step for call in azure.calls() if (step := rotation_step(call))]
    bridge = steps.index("hub sends master")
    assert steps[:bridge] == ["renew systemKeys", "hub sends system", "restart"]
    assert steps[bridge : bridge + 6] == [
        "hub sends master",
        "renew systemKeys",
        "restart",
        "hub sends system",
        "renew masterKey",
        "restart",
    ]


def rotation_step(call: list[str]) -> str | None:
    """Return what a call of az does to the keys, None if nothing."""
    if call[:3] == ["functionapp", "keys", "set"]:
        return f"renew {call[call.index('--key-type') + 1]}"
    if key := next((word for word in call if word.startswith("eventKey=")), None):
        return f"hub sends {key.partition('=')[2]}"
    return "restart" if call[:2] == ["functionapp", "restart"] else None


@needs_sh
def test_the_old_hub_is_removed(azure: Azure) -> None:
    """hub.bicep creates the new hub; Azure keeps a hub that no template names."""
    done = azure.run("sh", "-euc", commands(DEPLOY, "Change the hub"))
    assert done.returncode == 0, done.stderr
    assert azure.lines("others") == ["azd env set USHER_HUB rooms", "azd up"]
    (call,) = [call for call in azure.calls() if call[:2] == ["resource", "delete"]]
    assert call[call.index("--parent") + 1] == "webPubSub/wps-x"
    assert call[call.index("--name") + 1] == "chat"


def test_azd_deploys_unchanged_templates_where_that_is_meant() -> None:
    """azd skips a template that did not change, unless --no-state is given."""
    for page, title in ((OPERATIONS, "Keys and rotation"), (DEPLOY, "With azd")):
        assert "`azd provision --no-state`" in section(page, title)
        assert "`azd provision`" not in section(page, title)


def test_the_table_of_parameters_is_right() -> None:
    """Names, azd's variables and defaults. "Before you start" explains the other optional ones."""
    rows = re.findall(
        r"^\| (`[^|]+) \| (`[^|]+) \| ([^|]+) \|", section(DEPLOY, "Parameters"), re.M
    )
    named = [name for names, _, _ in rows for name in re.findall(r"`(\w+)`", names)]
    optional = {
        name for name, found in read(MAIN)["parameters"].items() if found["default"] is not None
    }
    assert {*named} == optional - {"oidcIssuer", "oidcAudience", "easyAuthClientId"}
    assert len(named) == len({*named})
    for names, variables, defaults in rows:
        parameters = re.findall(r"`(\w+)`", names)
        assert re.findall(r"`(\w+)`", variables) == [VARIABLES[name] for name in parameters]
        shown = re.findall(r"`([^`]+)`", defaults) or [""]
        assert shown == [write(default_of(name)) for name in parameters]


def write(default: object) -> str:
    """Return a default as the table shows it."""
    return default if isinstance(default, str) else json.dumps(default)
