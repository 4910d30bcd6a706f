"""The queries of the workbook and the alerts match the app's log records."""

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests import virtual_time
from tests.infra.bicep import INFRA
from usher.errors import BadEventError, ServiceError, SettingsError, UsherError
from usher.groups import workflow
from usher.groups.announcements import FORMATS
from usher.groups.digest import Digest
from usher.groups.event_announcer import EventAnnouncer
from usher.groups.events import ConnectionEvent
from usher.groups.presence_announcer import PresenceAnnouncer
from usher.groups.workflow import PubSub
from usher.logs import note, start_notes
from usher.responses import notice_answers
from usher.service.group_list import GroupList
from usher.service.health import Health
from usher.visits import VISIT

JOINED = ConnectionEvent("connected", "chat", "c-1", "ana", {})
LEFT = replace(JOINED, name="disconnected")
QUERIES = {path.stem: path.read_text("utf-8") for path in (INFRA / "queries").iterdir()}
RECORD_QUERIES = [name for name, query in QUERIES.items() if "parse_json(message)" in query]
BEGINNING = '{"record": "'


class Working:
    """A service whose calls succeed."""

    async def add_connection(self, *_: Any, **__: Any) -> int:
        return 200

    async def send_to_group(self, *_: Any, **__: Any) -> int:
        return 202

    async def list_group(self, *_: Any, **__: Any) -> GroupList:
        return GroupList(datetime.now(UTC), {"c-1": "ana"}, truncated=False)

    async def send_to_connection(self, *_: Any, **__: Any) -> int:
        return 202

    async def check_health(self) -> None:
        raise ServiceError("refused")


class Broken(Working):
    """A service that refuses every call."""

    async def add_connection(self, *_: Any, **__: Any) -> int:
        raise ServiceError("refused", answered=400)

    async def send_to_group(self, *_: Any, **__: Any) -> int:
        raise ServiceError("refused", answered=400)


@notice_answers
async def connected(request: str) -> None:
    note("groups", ["lobby"])
    raise BadEventError("another hub")


@notice_answers
async def disconnected(request: str) -> None:
    raise SettingsError({"USHER_AUTH": "is wrong"})


def announcer(pubsub: PubSub) -> EventAnnouncer:
    templates = dict.fromkeys(("connected", "disconnected"), "{userId} came or went")
    return EventAnnouncer(pubsub, FORMATS["text"], templates, Digest(above=0, seconds=1))


async def write_records() -> None:
    """Write a successful join, one in the presence format, and a record of each failure."""
    start_notes()
    note(VISIT, "0af7651916cd43dd8448eb211c80319c")
    await workflow.join_groups(Working(), announcer(Working()), JOINED, ["lobby"])
    await workflow.join_groups(Broken(), announcer(Broken()), JOINED, ["lobby"])
    await workflow.leave_groups(announcer(Broken()), LEFT, ["lobby"])
    presence = PresenceAnnouncer(Working(), grace=3, crowd=5)
    await workflow.join_groups(Working(), presence, JOINED, ["lobby"])
    await connected("")
    await disconnected("")
    with pytest.raises(UsherError):
        await Health().check(Broken())


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture) -> Sequence[str]:
    """Return the log messages, which Application Insights stores as `message`."""
    with caplog.at_level(logging.INFO, "usher"):
        virtual_time.run(write_records())
    return [record.getMessage() for record in caplog.records]


def selected_by(query: str) -> Callable[[str], bool]:
    """Return a function that says whether a query selects a message."""
    beginnings = re.findall(r"message startswith '([^']+)'", query)
    assert beginnings
    return lambda message: any(message.startswith(beginning) for beginning in beginnings)


def test_records_begin_as_the_queries_expect(messages: Sequence[str]) -> None:
    """Each of the five kinds is JSON from its first character on."""
    assert all(message.startswith(BEGINNING) for message in messages)
    kinds = {json.loads(message)["record"] for message in messages}
    assert kinds == {"join", "leave", "refusal", "settings", "health"}


@pytest.mark.parametrize("name", RECORD_QUERIES)
def test_fields_of_the_queries_exist(name: str, messages: Sequence[str]) -> None:
    """Each `record.field` is in a record that the query selects."""
    is_selected = selected_by(QUERIES[name])
    records: list[dict[str, Any]] = [json.loads(text) for text in messages if is_selected(text)]
    assert records
    fields = {*re.findall(r"\brecord\.(\w+)", QUERIES[name])}
    assert fields <= {key for record in records for key in record}


@pytest.mark.parametrize("name", RECORD_QUERIES)
def test_each_query_selects_a_kind_of_record_that_exists(
    name: str, messages: Sequence[str]
) -> None:
    for beginning in re.findall(r"message startswith '([^']+)'", QUERIES[name]):
        assert any(message.startswith(beginning) for message in messages), beginning


def test_the_alert_of_refused_events_counts_errors_only() -> None:
    """Any page can cause warnings. In Application Insights, 2 is a warning and 3 an error."""
    assert "| where severityLevel >= 3\n" in QUERIES["webhook-refusals"]


def test_queries_sum_item_counts() -> None:
    """With sampling a row represents several records; itemCount is their number."""
    for name, query in QUERIES.items():
        if re.search(r"^(traces|requests)$", query, re.MULTILINE):
            assert "itemCount" in query, name
            assert "count()" not in query, name
