"""The documentation: links resolve, commands and files exist, and snippets can be parsed."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest

import usher.door.oidc  # noqa: F401 - defines an error of its own
from tests.infra.test_settings import settings_read
from usher.errors import UsherError

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "emulator/README.md"]
NAMES += ["examples/README.md"]
PAGES = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
# A command of dev.py, and its arguments up to the end of the line.
COMMAND = re.compile(r"\bdev\.py +([a-z]+\b)((?:\\\n|[^\n])*)")
FOLDERS = "api|benchmarks|docs|emulator|examples|infra|localdev|tests|usher|web"
FILE = re.compile(rf"(?:{FOLDERS})/[\w./*-]*|[\w*]+\.py")
# Where the pages leave the folder of a file out.
USUAL_FOLDERS = ("emulator", ".", "emulator/src/webpubsub_emulator", "localdev/doctor")
# Problem types that no HTTP response has: of events, and of a class with subclasses only.
UNSEEN_TYPES = {"bad-event"}


class Snippet(NamedTuple):
    """A fenced code block."""

    place: str
    language: str
    text: str


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def snippets(page: Path) -> list[Snippet]:
    text = page.read_text("utf-8")
    return [
        Snippet(
            f"{name_of(page)}:{text.count('\n', 0, found.start()) + 1}", found[2], dedent(found[3])
        )
        for found in FENCED.finditer(text)
    ]


def prose(page: Path) -> str:
    """Return the page without its code blocks."""
    return FENCED.sub("", page.read_text("utf-8"))


def code(page: Path) -> Iterator[str]:
    """Yield every code block and every inline code of the page."""
    yield from (snippet.text for snippet in snippets(page))
    yield from INLINE.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of the page."""
    found: dict[str, int] = {}
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found[anchor] = found.get(anchor, -1) + 1
        if found[anchor]:  # GitHub numbers headings that have the same text
            found[f"{anchor}-{found[anchor]}"] = 0
    return {*found}


def snippets_in(language: str) -> pytest.MarkDecorator:
    """Parametrize a test with all code blocks in one language."""
    found = [one for page in PAGES for one in snippets(page) if one.language == language]
    return pytest.mark.parametrize("snippet", found, ids=[one.place for one in found])


every_page = pytest.mark.parametrize("page", PAGES, ids=map(name_of, PAGES))


@every_page
def test_links_resolve(page: Path) -> None:
    """A relative link names a file of the repository and, if it has an anchor, a heading there."""
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_links_are_found() -> None:
    """Otherwise the test of the links would prove nothing."""
    links = LINK.findall(prose(ROOT / "README.md"))
    assert {"docs/deploy.md", "docs/operations.md#doctor", "docs/demo.png"} <= {*links}
    assert "with-your-own-backend-key-mode" in anchors(ROOT / "README.md")


def test_the_readme_is_short() -> None:
    """At most 200 lines, and a deployment within the first 80."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 200
    assert any(line.startswith("azd up") for line in lines[:80])


@cache
def help_of(*words: str) -> str:
    """Return the help of dev.py, or of one of its commands."""
    command = [sys.executable, "-m", "localdev", *words, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def all_commands() -> set[str]:
    return {*re.findall(r"^    ([a-z]+) ", help_of(), re.MULTILINE)}


def options_of(command: str) -> set[str]:
    words = [command, "explain"] if command == "policy" else [command]
    return {*re.findall(r"--[a-z][a-z-]*", help_of(*words))}


@every_page
def test_commands_and_options_exist(page: Path) -> None:
    """Every command of dev.py that the page shows in code, and its options."""
    for text in code(page):
        for command, arguments in COMMAND.findall(text):
            assert command in all_commands(), command
            options = {*re.findall(r"(?<![\w-])--[a-z][a-z-]*", arguments)}
            assert not options or options <= options_of(command), f"{command} {arguments}"


def test_every_command_is_documented() -> None:
    """In docs/contributing.md."""
    page = (ROOT / "docs/contributing.md").read_text("utf-8")
    assert {command for command, _ in COMMAND.findall(page)} == all_commands()


def test_every_setting_is_documented() -> None:
    """In the table of docs/settings.md."""
    page = (ROOT / "docs/settings.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    assert {name for row in rows for name in INLINE.findall(row)} == settings_read()


def subclasses(error: type[UsherError]) -> Iterator[type[UsherError]]:
    for subclass in error.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def test_every_problem_type_is_documented() -> None:
    """With its status, in the table of docs/api.md."""
    page = (ROOT / "docs/api.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", page, re.MULTILINE)
    errors: list[type[UsherError]] = [UsherError, *subclasses(UsherError)]
    known = {(str(error.status), error.kind) for error in errors if error.kind not in UNSEEN_TYPES}
    assert {*rows} == known


@every_page
def test_files_exist(page: Path) -> None:
    """Every file and folder that the page names in code."""
    for text in INLINE.findall(prose(page)):
        if FILE.fullmatch(text):
            found = [next((ROOT / folder).glob(text), None) for folder in USUAL_FOLDERS]
            assert any(found), text


def test_every_module_of_the_app_is_in_the_map() -> None:
    """In the architecture map of docs/contributing.md."""
    named = {*INLINE.findall((ROOT / "docs/contributing.md").read_text("utf-8"))}
    modules = {name_of(module) for module in (ROOT / "usher").rglob("[!_]*.py")}
    assert modules <= named


def test_security_md_supports_the_current_version() -> None:
    """SECURITY.md names the minor version of pyproject.toml, and the public way to report."""
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"| {version.rpartition('.')[0]}.x | yes |" in page
    assert "Report a vulnerability" in page
    assert "@" not in page


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/security.md"])
def test_security_md_is_linked(name: str) -> None:
    """With the checklist, or from the page that has it."""
    links = LINK.findall(prose(ROOT / name))
    assert {"SECURITY.md", "../SECURITY.md"} & {*links}


def test_the_checklist_says_what_to_check_and_how() -> None:
    """In docs/security.md. Each open point also says why it is open."""
    page = (ROOT / "docs/security.md").read_text("utf-8")
    _, found, checklist = page.partition("\n## Checklist for a production review\n")
    assert found
    rows = re.findall(r"^\|(.+)\|$", checklist, re.MULTILINE)
    cells = [[cell.strip() for cell in row.split(" | ")] for row in rows]
    assert len(cells) > 30
    assert all(cell for row in cells for cell in row)


@snippets_in("sh")
def test_shell_can_be_parsed(snippet: Snippet) -> None:
    """By bash."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    done = subprocess.run([bash, "-n"], input=snippet.text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@snippets_in("json")
def test_json_can_be_parsed(snippet: Snippet) -> None:
    """As one value."""
    json.loads(snippet.text)


@snippets_in("python")
def test_python_can_be_parsed(snippet: Snippet) -> None:
    """As a module, or as the inside of a coroutine."""
    ast.parse(snippet.text)


@snippets_in("js")
def test_javascript_can_be_parsed(snippet: Snippet, tmp_path: Path) -> None:
    """As a module, by Node.js."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    file = tmp_path / "snippet.mjs"
    file.write_text(snippet.text, "utf-8")
    done = subprocess.run([node, "--check", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Runs a sample with a socket, and prints for each frame what its handler logged.
RUN_SAMPLE = """
import {{ readFileSync }} from "node:fs";
globalThis.fetch = async () => ({{ ok: true, json: async () => ({{ url: "ws://a" }}) }});
globalThis.socket = {{}};
globalThis.WebSocket = class {{ constructor() {{ globalThis.socket = this; }} }};
{sample}
for (const frame of JSON.parse(readFileSync(0))) {{
  const logged = [];
  console.log = (...words) => logged.push(words);
  globalThis.socket.onmessage({{ data: JSON.stringify(frame) }});
  process.stdout.write(JSON.stringify(logged) + "\\n");
}}
"""
GROUP_MESSAGE = {"type": "message", "from": "group", "group": "lobby", "fromUserId": None}
JOINED = {"type": "joined", "id": "1", "group": "lobby", "userId": "ana", "text": "ana joined"}
NO_ANNOUNCEMENTS: list[Any] = [None, 5, "x", [], {"id": 5}, {"id": "2", "text": {"toString": 5}}]


def run_sample(sample: str, folder: Path, frames: list[dict[str, Any]]) -> list[Any]:
    """Return what the sample logs for each frame. Skip the test without Node.js."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js")
    file = folder / "sample.mjs"
    file.write_text(RUN_SAMPLE.format(sample=sample))
    done = subprocess.run(
        [node, str(file)], input=json.dumps(frames), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "snippet",
    [one for page in PAGES for one in snippets(page) if ".onmessage" in one.text],
    ids=lambda snippet: snippet.place,
)
def test_samples_distinguish_members_from_usher(snippet: Snippet, tmp_path: Path) -> None:
    """A member can send what Usher sends, except that the message then names the member.

    Data of other shapes must not end the sample.
    """
    json_frame = GROUP_MESSAGE | {"dataType": "json", "data": JOINED}
    text_frame = GROUP_MESSAGE | {"dataType": "text", "data": "ana joined lobby"}
    genuine = json_frame if "known" in snippet.text else text_frame
    odd = [GROUP_MESSAGE | {"dataType": "json", "data": data} for data in NO_ANNOUNCEMENTS]
    faked = genuine | {"fromUserId": "eve"}
    outputs = run_sample(snippet.text, tmp_path, [*odd, faked, genuine, {"type": "system"}])
    *_, of_member, of_usher, of_system = outputs
    assert len(outputs) == len(odd) + 3
    assert of_usher
    assert of_system == []
    assert of_member == [] or "eve" in of_member[0]
    assert of_member != of_usher
