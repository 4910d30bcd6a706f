"""The README agrees with the code: its snippets, options, faults and links."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import webpubsub_emulator
from support_table import rows, support_table
from webpubsub_emulator import ACCESS_KEY, EmulatorFixture
from webpubsub_emulator.command import PORT, _parse_arguments, main
from webpubsub_emulator.faults import FAULTS, parse_fault
from webpubsub_emulator.handler_settings import read_settings

FOLDER = Path(__file__).resolve().parents[2]
THEIRS = {"theirs", "their README"}
README = (FOLDER / "README.md").read_text("utf-8")


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(title: str) -> list[str]:
    """Return the first code text of each row in the tables of a section."""
    return re.findall(r"^\| `([^`]+)`", section(title), re.MULTILINE)


def first_columns(title: str) -> list[str]:
    """Return the first column of the tables of a section."""
    return re.findall(r"^\| ([^|]+) \|", section(title), re.MULTILINE)


@pytest.mark.parametrize("number", [1, 2])
async def test_python_snippets_run(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    code = snippets("python")[number].replace("asyncio.run(main())", "")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own text
    if number == 1:
        await names["main"]()  # type: ignore[operator]
        assert capsys.readouterr().out.startswith("ws://127.0.0.1:")


def test_all_python_snippets_are_run() -> None:
    """The first one is a file among the examples."""
    first, *others = snippets("python")
    assert first == (FOLDER / "tests" / "examples" / "test_first.py").read_text("utf-8")
    assert len(others) == 2


def test_the_support_table_is_the_one_of_the_code() -> None:
    """If this fails, run emulator/tests/support_table.py, which writes the table."""
    assert support_table() in section("What it supports")


def test_every_document_of_the_support_table_has_a_link() -> None:
    defined = re.findall(r"^\[([^\]]+)\]: https://", section("What it supports"), re.MULTILINE)
    assert {row.document for row in rows() if row.document} | THEIRS == {*defined}


def test_the_recipes_name_what_exists() -> None:
    """The connection string, the wheel, and arguments that the command reads."""
    actions, compose = map(yaml.safe_load, snippets("yaml"))
    app, emulator = compose["services"]["app"], compose["services"]["webpubsub"]
    expected = f"Endpoint=http://127.0.0.1:{PORT};AccessKey={ACCESS_KEY};Version=1.0;"
    assert app["environment"] == {"WebPubSubConnectionString": expected}
    assert emulator["network_mode"] == "service:app"
    wheel = f"webpubsub_emulator-{version('webpubsub-emulator')}-py3-none-any.whl"
    install = actions["jobs"]["tests"]["steps"][2]["run"]
    assert all(wheel in text for text in (install, emulator["volumes"][0], emulator["command"]))
    task = json.loads(snippets("json")[1])["tasks"][0]
    command = emulator["command"].partition("exec webpubsub-emulator ")[2].rstrip('"').split()
    for arguments in (command, task["args"][2:]):
        options = _parse_arguments(arguments, "")
        assert options.handler == [("chat", "http://127.0.0.1:8000/events")]


def test_the_handlers_file_is_valid() -> None:
    text, _ = snippets("json")
    assert json.loads(text)
    assert [file.hub for file in read_settings(text)] == ["chat"]


def test_every_fault_has_a_row_with_its_defaults() -> None:
    assert first_cells("Faults") == [str(parse_fault(name)) for name in FAULTS]


def test_every_option_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    options = set(re.findall(r"^  (--\w+)", capsys.readouterr().out, re.MULTILINE))
    assert {cell.partition(" ")[0] for cell in first_cells("Run")} == options


def test_public_names_are_explained() -> None:
    table = section("Library")
    for name in {*webpubsub_emulator.__all__} - {"Fault", "FaultError"}:
        assert f"`{name}" in table, name


def test_links_in_the_page_have_a_heading() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^##+ (.+)$", README, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= headings


def test_named_modules_exist() -> None:
    source = FOLDER / "src" / "webpubsub_emulator"
    for name in re.findall(r"`([\w*]+\.py)`", section("How the code is arranged")):
        assert list(source.glob(name)), name


def test_fixtures_are_explained() -> None:
    """Each fixture of the plugin, and each public member of what it is."""
    members = {name for name in vars(EmulatorFixture) if not name.startswith("_")}
    text = " ".join(first_columns("Fixtures"))
    for name in members - {"close", "take_failures"}:  # of the plugin alone
        assert f".{name}" in text, name
    assert {"webpubsub", "webpubsub_server"} <= {*first_cells("Fixtures")}
