"""`dev.py up` in a copy of the checkout: what it checks first, the saved policy, the keys, `/`."""

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.checkout import UP, call_up, environment, make_checkout
from tests.e2e.clients import enter, negotiate

SECONDS = 120


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "checkout")


@dataclass(frozen=True, slots=True)
class Up:
    """`up` that is ready: its banner by label, and its log."""

    banner: dict[str, str]
    log: Path

    async def wait_for(self, text: str, count: int = 1) -> None:
        deadline = time.monotonic() + SECONDS
        while self.log.read_text("utf-8").count(text) < count:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.log.read_text('utf-8')}"
            await asyncio.sleep(0.1)


@contextmanager
def run_up(checkout: Path, *options: str, **settings: str) -> Iterator[Up]:
    """Run `up` with the banner for people until the block ends."""
    log = checkout / "log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [*UP, *options],
            cwd=checkout,
            env=environment(**settings),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            yield Up(read_banner(process, log), log)
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(SECONDS)
    assert status == 0, log.read_text("utf-8")


def read_banner(process: subprocess.Popen[str], log: Path) -> dict[str, str]:
    banner: dict[str, str] = {}
    assert process.stdout
    for line in process.stdout:
        name, _, text = line.partition(":")
        banner.setdefault(name, text.strip())
        if name == "next":
            return banner
    raise AssertionError(log.read_text("utf-8"))


def write_policy(checkout: Path, *groups: str) -> None:
    """Save the policy as an editor does: another file takes its name."""
    rules = [{"caller": "any", "group": group, "allow": ["join"]} for group in groups]
    new = checkout / "policy.json.new"
    new.write_text(json.dumps({"rules": rules}))
    new.replace(checkout / "policy.json")


def test_what_is_wrong_is_named_before_anything_starts(checkout: Path) -> None:
    """All at once: file, line and fix, of settings in the file, in the environment, and rules."""
    sample = (checkout / "local.settings.sample.json").read_text()
    settings = sample.replace('"USHER_AUTH": "local"', '"USHER_AUTH": "locl"')
    (checkout / "local.settings.json").write_text(settings)
    policy = (checkout / "policy.json").read_text().replace('"roster"]}\n', '"rosters"]}\n')
    (checkout / "policy.json").write_text(policy)
    done = call_up(checkout, USHER_TOKEN_MINUTES="soon")
    lines = [text.splitlines() for text in (settings, policy)]
    mode, rule = (
        next(number for number, line in enumerate(found, 1) if wrong in line)
        for found, wrong in zip(lines, ("locl", "rosters"), strict=True)
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "dev.py: Nothing was started, because the app would refuse every request:",
        f"local.settings.json:{mode}: USHER_AUTH must be one of easyauth, oidc, key, anonymous, "
        "local; did you mean local?",
        "    fix: Correct USHER_AUTH in local.settings.json.",
        "the environment variable USHER_TOKEN_MINUTES must be a whole number of minutes, 1 to 1440",
        "    fix: Correct or unset it.",
        f"policy.json:{rule}: rules[1].allow must be a list of join, send, roster, each at most "
        "once",
        f"    fix: Correct line {rule} of policy.json; docs/policy.md describes rules.",
    ]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"USHER_POLICY_FILE": "none.json"},
            "none.json: the policy cannot be read: No such file or directory\n"
            "    fix: Correct none.json, or name another file in USHER_POLICY_FILE.",
        ),
        ({"WebPubSubHub": ""}, "the environment variable WebPubSubHub is empty\n"),
    ],
    ids=["no-policy", "no-hub"],
)
def test_other_problems(checkout: Path, settings: dict[str, str], text: str) -> None:
    done = call_up(checkout, **settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert text in done.stderr


def test_an_app_that_cannot_be_loaded(checkout: Path) -> None:
    (checkout / "usher" / "names.py").write_text("import no_such_module\n")
    done = call_up(checkout)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "The app cannot be loaded: `python -m usher.self_check` failed" in done.stderr


async def test_a_saved_policy_takes_effect(checkout: Path) -> None:
    """A connection stays open; a broken policy is reported, and the one before stays in force."""
    with run_up(checkout, "--keys") as up:
        app = up.banner["app"]
        async with enter(app, userId="ana", group="lobby") as ana:
            assert await ana.hear() == "ana joined lobby"
            (checkout / "policy.json").write_text('{"rules": [\n{"caller": }]}')
            await up.wait_for("policy.json was saved, but the app runs with the one before:\n")
            await up.wait_for("policy.json:2: the policy is not valid JSON\n    fix: ")
            assert (await negotiate(app, userId="bo", group="lobby"))["groups"] == ["lobby"]
            write_policy(checkout, "lobby", "new")
            await up.wait_for("policy.json was saved: the app runs with it now\n")
            async with enter(app, userId="bo", group="new") as bo:
                assert await bo.hear() == "bo joined new"
            async with enter(app, userId="cy", group="lobby"):
                assert await ana.hear() == "cy joined lobby"


async def test_a_save_during_the_restart_is_not_lost(checkout: Path) -> None:
    with run_up(checkout) as up:
        write_policy(checkout, "one")
        await up.wait_for("connect: webPubSubTrigger", 2)  # the app starts again
        write_policy(checkout, "two")
        await up.wait_for("policy.json was saved: the app runs with it now\n", 2)
        # The app reads its policy with its first request, and must not read this one.
        (checkout / "policy.json").write_text("{")
        await up.wait_for("policy.json was saved, but the app runs with the one before:\n")
        assert (await negotiate(up.banner["app"], group="two"))["groups"] == ["two"]


def test_the_keys_stay_between_starts(checkout: Path) -> None:
    """A damaged file stops the start."""
    names = [f"{name} key" for name in ("master", "function", "webpubsub_extension")]
    found = []
    for _ in range(2):
        with run_up(checkout, "--keys") as up:
            found.append([up.banner[name] for name in names])
    assert found[0] == found[1]
    (checkout / "local.keys.json").write_text("{}")
    done = call_up(checkout, "--keys")
    text = "dev.py: local.keys.json is damaged. Delete it: the next start makes new keys."
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, text)


def test_a_program_gets_new_keys_each_time(checkout: Path) -> None:
    """It reads them from the line of JSON. No file is written."""
    with subprocess.Popen(
        [*UP, "--keys", "--json"],
        cwd=checkout,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        facts = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(SECONDS) == 0
    assert list(facts["keys"]) == ["master", "function", "webpubsub_extension"]
    assert not (checkout / "local.keys.json").exists()


@pytest.mark.parametrize(("demo", "link"), [("true", "/api/demo"), ("false", "/api/openapi.yaml")])
async def test_the_home_page_links_to_a_page_that_answers(
    checkout: Path, demo: str, link: str
) -> None:
    with run_up(checkout, USHER_DEMO=demo) as up:
        async with aiohttp.ClientSession(up.banner["app"]) as session:
            async with session.get("/") as home:
                assert home.content_type == "text/html"
                assert f'<a href="{link}">' in await home.text()
            async with session.get(link) as page:
                assert page.status == 200
