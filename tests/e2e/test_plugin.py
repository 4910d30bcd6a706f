"""Usher in a test with the emulator's pytest plugin, as an app of another project would be."""

from localdev.stack import run_host, sample_settings
from tests.e2e.clients import enter
from webpubsub_emulator import EmulatorFixture


async def test_a_join_is_announced(webpubsub: EmulatorFixture) -> None:
    """The app adds the connection to the group and announces it; then the member leaves."""
    connection = {"WebPubSubConnectionString": webpubsub.connection_string}
    async with run_host(sample_settings() | connection, on_log=lambda _line: None) as host:
        webpubsub.add_event_handler("chat", host.webhook)
        async with enter(host.address, userId="ana", group="lobby"):
            (joined,) = await webpubsub.wait_for_async(lambda: webpubsub.messages("chat"))
            assert (joined.group, joined.data) == ("lobby", "ana joined lobby")
            assert joined.user_ids == ("ana",)
            (ana,) = webpubsub.connections("chat")
            assert (ana.user_id, {*ana.groups}) == ("ana", {"lobby"})
        await webpubsub.wait_for_async(lambda: not webpubsub.connections("chat"))


async def test_a_duplicated_event_is_announced_once(webpubsub: EmulatorFixture) -> None:
    """The service may deliver an event again; the app remembers it."""
    log: list[str] = []
    connection = {"WebPubSubConnectionString": webpubsub.connection_string}
    async with run_host(sample_settings() | connection, on_log=log.append) as host:
        webpubsub.add_event_handler("chat", host.webhook)
        with webpubsub.faults("event-duplicated:event=connected"):
            async with enter(host.address, userId="ana", group="lobby"):
                await webpubsub.wait_for_async(lambda: count_requests(log, "connected") == 2)
        texts = [message.data for message in webpubsub.messages("chat")]
        assert texts.count("ana joined lobby") == 1


def count_requests(log: list[str], function: str) -> int:
    """Return how many requests to a function the host has answered."""
    return sum(line.endswith(f" ms {function}") for line in log)
