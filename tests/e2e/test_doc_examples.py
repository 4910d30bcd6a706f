"""The shell examples of the documentation, taken from the pages and run on the local stack.

A block is run if each of its commands is in RUN. If one is in ELSEWHERE, the block is not run here.
A command in neither fails a test, so that no example stays untested unnoticed. A block of text or
JSON that follows directly, with only blank lines between, is what the example prints.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from azure.messaging.webpubsubclient.models import WebPubSubProtocolType

from localdev.stack import ROOT, sample_settings
from tests.e2e.clients import enter
from tests.e2e.conftest import UP
from tests.e2e.processes import Running, run
from tests.test_docs import PAGES, name_of

SECONDS = 120  # the longest wait for an example, or for the connections
RUN = {
    *("dev.py policy", "dev.py provision", "dev.py remove", "dev.py removals"),
    *("dev.py status", "dev.py token", "curl", ".venv/bin/arazzo-runner"),
}
ELSEWHERE = {
    # Azure and GitHub
    *("az", "azd", "func", "gh", "assign", "infra/connect-hub.sh", "dev.py doctor"),
    *("cat", "openssl"),
    # They run until Ctrl-C, or run all tests, or measure. Other tests call them.
    *("dev.py demo", "dev.py up", "dev.py host", "dev.py emulator", "webpubsub-emulator"),
    *("dev.py check", "dev.py test", "dev.py fuzz", "dev.py storm", "node"),
    *("pytest", "../.venv/bin/pytest"),
    # Registries, other servers, and files that would be removed
    *("pip", "npx", "http.server", "rm"),
}
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```\n(?:\s*^ *```(text|json)\n(.*?)^ *```$)?", re.S | re.M)
WORD = r"(?:python3 (?:(?=dev)|-m ))?((?:dev\.py )?[^\s;)]+)"
# The first word after assignments; and what is run for its output.
FIRST = re.compile(rf'(?:\w+=(?!\S*\$\()(?:"[^"]*"|[^\s"])*\s+)*(?!\w+=){WORD}')
INSIDE = re.compile(rf"\$\({WORD}")
NO_COMMAND = re.compile(r"\w+\(\) \{|\}")  # a function's first and last line
PRELUDE = 'set -euo pipefail; curl() { command curl -sS --fail-with-body "$@"; }\n'
VOLATILE = {"token", "id", "until", "asOf"}  # members of JSON that differ in each run
IN_TEXT = {
    r"\b[0-9a-f]{32}\b": "ID",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ": "TIME",
    r" +": " ",  # ports have four or five digits, so columns have other widths
}


class Example(NamedTuple):
    """A block of shell commands, and what the page says that it prints, or nothing."""

    place: str
    text: str
    output: str


def examples(page: Path) -> Iterator[Example]:
    text = page.read_text("utf-8")
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Example(f"{name_of(page)}:{line}", found[1], found[3] or "")


def commands(text: str) -> Iterator[str]:
    """Yield the name of each command."""
    whole = ""
    for line in text.splitlines():
        whole += line.strip()
        if whole.endswith("\\") or not is_complete(whole):
            whole = whole.removesuffix("\\") + " "
            continue
        if not NO_COMMAND.fullmatch(whole):
            found = FIRST.match(f"{whole}\n")
            yield from [found[1]] if found else []
            yield from INSIDE.findall(whole)
        whole = ""


def is_complete(command: str) -> bool:
    """Return whether all quotes are closed."""
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


EXAMPLES = [example for page in PAGES for example in examples(page)]
LOCAL = [one for one in EXAMPLES if RUN.issuperset(commands(one.text))]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.place)
def test_every_example_is_run_or_known_to_run_elsewhere(example: Example) -> None:
    """If this fails, add the command to RUN; to ELSEWHERE only if it cannot run here."""
    names = {*commands(example.text)}
    assert names
    assert names <= RUN | ELSEWHERE


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('A=1 B="x y" rm -r a', ["rm"]),
        ('curl -i "$(azd env get-value URL)/a"\npython3 -m pip list', ["curl", "azd", "pip"]),
        ("A=$(az x \\\n  --y)\npython3 dev.py token  # it's a comment", ["az", "dev.py token"]),
        ('A="b $C"\nD=/e/$(az f)\ncurl -d \'{"a":\n "b"}\' http://a', ["az", "curl"]),
        ('f() {\n  az "$@"\n}', ["az"]),
    ],
)
def test_the_commands_of_an_example_are_found(text: str, names: list[str]) -> None:
    assert [*commands(text)] == names


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the stack with what is shipped: the policy and the sample settings."""
    shipped = {"USHER_POLICY_FILE": "policy.json"}
    with run([*UP, "--control"], tmp_path_factory.mktemp("doc-stack") / "log", shipped) as running:
        yield running


@pytest.fixture
async def connection_id(stack: Running) -> AsyncIterator[str]:
    """Connect ana once and bo twice to the lobby, and yield the id of ana's connection."""
    # Not the reliable protocol, whose connections outlive their sockets.
    protocol = WebPubSubProtocolType.JSON
    async with AsyncExitStack() as users:
        await lobby(stack, [])
        for name in ("ana", "bo", "bo"):
            user = enter(stack.facts["host"], protocol, userId=name, group="lobby")
            await users.enter_async_context(user)
        found = await lobby(stack, ["ana", "bo", "bo"])
        yield next(one["id"] for one in found if one["userId"] == "ana")
        await reset(stack)


async def lobby(stack: Running, names: list[str]) -> list[dict[str, Any]]:
    """Wait until exactly these users are connected and in the lobby; return the connections."""
    async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{stack.facts['emulator']}/inspection") as response:
                hubs = (await response.json())["hubs"]
            found: list[dict[str, Any]] = hubs["chat"]["connections"] if hubs else []
            members = sorted(one["userId"] for one in found if "lobby" in one["groups"])
            if members == names and len(found) == len(names):
                return found
            await asyncio.sleep(0.1)


async def reset(stack: Running) -> None:
    """End the faults and the removals that an example caused."""
    removals = f"{stack.facts['host']}/api/removals"
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        await session.delete(f"{stack.facts['control']}/faults")
        async with session.get(removals) as response:
            found = (await response.json())["removals"]
        for removal in found:
            await session.delete(f"{removals}/{removal['id']}")


async def remove_mallory(stack: Running) -> str:
    """Return the id of a removal, which is the same as in the documents' examples."""
    body = {"userId": "mallory", "minutes": 60, "reason": "spam"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{stack.facts['host']}/api/removals", json=body) as response,
    ):
        return str((await response.json())["id"])


def adapt(text: str, stack: Running, ids: dict[str, str]) -> str:
    """Return the example for the stack: its addresses, the Python of the tests, and real ids."""
    host, emulator = stack.facts["host"], stack.facts["emulator"]
    ports = [url.rpartition(":")[2] for url in (emulator, host)]
    python = shlex.quote(sys.executable)
    replaced = {
        r"http://127\.0\.0\.1:8080": emulator,
        r"http://127\.0\.0\.1:7071|https://NAME\.azurewebsites\.net": host,
        r"127\.0\.0\.1:7071": host.removeprefix("http://"),
        r"(dev\.py (?:provision|remove|removals))\b": rf"\1 --url {host}",
        r"(dev\.py status)\b": rf"\1 --emulator-port {ports[0]} --host-port {ports[1]}",
        r"\bpython3\b": python.replace("\\", r"\\"),
        **ids,
    }
    for pattern, new in replaced.items():
        text = re.sub(pattern, new, text)
    return text


async def run_in_bash(text: str, stack: Running) -> str:
    """Return what the example prints. It must succeed."""
    bash = shutil.which("bash")
    if bash is None or shutil.which("curl") is None:
        pytest.skip("needs bash and curl")
    process = await asyncio.create_subprocess_exec(
        *(bash, "-c", PRELUDE + text),
        cwd=ROOT,
        env={**os.environ, **sample_settings(), "KEY": "any", "URL": stack.facts["host"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        output, errors = await process.communicate()
    assert process.returncode == 0, f"{text}\n{output.decode()}\n{errors.decode()}"
    return output.decode()


def normalize(output: str) -> Any:
    """Return the JSON without what differs in each run, or the lines in any order."""
    try:
        value = json.loads(output)
    except ValueError:
        for pattern, name in IN_TEXT.items():
            output = re.sub(pattern, name, output)
        return sorted(line.strip() for line in output.splitlines())
    return {name: "*" if name in VOLATILE else each for name, each in value.items()}


@pytest.mark.parametrize("example", LOCAL, ids=lambda one: one.place)
async def test_the_example_does_what_the_page_says(
    stack: Running, connection_id: str, example: Example
) -> None:
    """It succeeds, and prints what the page shows."""
    ids = {"CONNECTION-ID": connection_id}
    if "REMOVAL-ID" in example.text:
        ids["REMOVAL-ID"] = await remove_mallory(stack)
    output = await run_in_bash(adapt(example.text, stack, ids), stack)
    if example.output:
        for name, address in (("emulator", "8080"), ("host", "7071")):
            output = output.replace(stack.facts[name], f"http://127.0.0.1:{address}")
        assert normalize(output) == normalize(example.output)


def test_examples_with_output_are_found() -> None:
    """Otherwise the comparison would prove nothing."""
    shown = {one.place.partition(":")[0] for one in LOCAL if one.output}
    assert shown == {"docs/api.md", "docs/local-host.md", "docs/policy.md"}
