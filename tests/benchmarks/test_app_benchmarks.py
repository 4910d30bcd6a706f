"""The benchmarks of the app run, with few calls. Their results are not checked."""

import pytest
from aiohttp import ClientSession

from benchmarks import bans, connected, crowd, negotiate, presence, start
from benchmarks.callers import APPS, key_settings, run_app, run_raw, run_stub
from benchmarks.children import ROOT, BenchmarkError

FEW = 0.01


async def test_start_reports_usher_and_sample_in_each_round() -> None:
    """The notes name what is imported."""
    progress: list[str] = []
    report = await start.measure(1, progress.append)
    assert [len(figure.ratios) for figure in report.figures] == [1] * len(report.figures)
    assert [len(figure.sample) for figure in report.figures] == [1] * len(report.figures)
    assert progress == ["start: warm-up", "start: round 1 of 1"]
    assert [note.split(":")[0].split(",")[0] for note in report.notes] == [
        "Lazy imports of a first negotiate",
        "Lazy imports of a first connected",
        "The largest imports until a first negotiate is answered",
        "The largest imports until a first connected is answered",
    ]
    assert ["aiohttp" in note for note in report.notes[2:]] == [False, True]


async def test_only_a_call_of_the_service_imports_sdk_and_aiohttp() -> None:
    """Signing a token imports neither of them, and no store of bans that is not in use."""
    async with run_stub(tls=False) as stub:
        starter = start.Starter(stub)
        token = (await starter.start(ROOT)).later
        event = (await starter.start(ROOT, "connected")).later
        for name in ("azure.messaging.webpubsubservice", "aiohttp"):
            assert (name in token, name in event) == (False, True)
        for name in ("azure.data.tables", "sqlite3", "usher.groups.removals"):
            assert not [each for each in (*token, *event) if each.startswith(name)]
        assert not (await starter.start(ROOT, "connected", event)).later


async def test_negotiate_measures_two_modes_against_floor_and_sample() -> None:
    report = await negotiate.measure(1, lambda text: None, FEW)
    assert [figure.name for figure in report.figures] == ["access key", "identity, TLS"]
    assert all(len(figure.ratios) == len(figure.sample) == 1 for figure in report.figures)


async def test_connected_measures_without_and_with_tls() -> None:
    """With TLS the sample also takes the place of the floor."""
    report = await connected.measure(1, lambda text: None, 0.1)
    names = [figure.name for figure in report.figures]
    assert (len(names), names[-1]) == (7, "CPU, TLS, the sample as floor")
    assert all(figure.ratios for figure in report.figures)


async def test_bans_are_measured_beside_none() -> None:
    """In a file and in a table, for both functions."""
    report = await bans.measure(1, lambda text: None, 0.05)
    names = [figure.name for figure in report.figures]
    assert (len(names), names[0], names[-1]) == (
        8,
        "CPU, negotiate, sqlite",
        "p50 alone, connected, table",
    )
    assert all(len(figure.ratios) == 1 for figure in report.figures)


async def test_presence_measures_both_formats_against_their_calls() -> None:
    report = await presence.measure(1, lambda text: None, FEW)
    assert [figure.name for figure in report.figures] == ["CPU, text", "CPU, presence"]
    assert all(len(figure.ratios) == 1 for figure in report.figures)


async def test_a_crowd_is_measured_if_every_client_is_right() -> None:
    report = await crowd.measure(1, lambda text: None, clients=20)
    assert [(each.floor, each.name) for each in report.figures] == [([210], "deliveries")]
    assert report.notes[0].startswith("20 clients show the users of the service's list")


async def test_an_app_that_fails_ends_the_run() -> None:
    """An event without add and announcement, and a negotiate without a token, are errors."""
    async with run_stub(tls=False) as stub:
        settings = {**key_settings(stub.endpoint), "USHER_JOIN_TEXT": ""}
        async with run_app(ROOT, settings) as app:
            await app.connected(2, 1)
            with pytest.raises(BenchmarkError, match="Not all were added and announced"):
                await stub.check_events(2)
        settings = {**key_settings(stub.endpoint), "USHER_AUTH": ""}
        async with run_app(ROOT, settings) as app:
            with pytest.raises(BenchmarkError, match="ended by itself"):
                await app.negotiate(2, 1)


@pytest.mark.parametrize("folder", ["bare", "sample"])
async def test_the_other_apps_issue_tokens(folder: str) -> None:
    async with run_app(APPS / folder, key_settings("http://127.0.0.1:1")) as app:
        assert (await app.negotiate(3, 1)).cpu > 0


async def test_the_stub_requires_a_token() -> None:
    """Any token is accepted. A refused call is not counted."""
    async with run_stub(tls=False) as stub, run_raw(stub) as raw:
        await raw.connected(2, 2)
        await raw.negotiate(2, 2)
        await stub.check_events(2)
        async with ClientSession() as session:
            url = f"{stub.endpoint}/api/hubs/chat/groups/lobby/:send?api-version=2024-12-01"
            assert (await session.post(url, data=b"hello")).status == 401
            assert (await session.get(f"{stub.endpoint}/elsewhere")).status == 404
        await stub.check_events(0)
