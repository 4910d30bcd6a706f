"""The queries of the workbook and the alerts ask for what the app really writes."""

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests import virtual_time
from tests.infra.bicep import INFRA
from usher.errors import BadEventError, ServiceError, SettingsError, UsherError
from usher.groups import workflow
from usher.groups.announcements import FORMATS
from usher.groups.digest import Digest
from usher.groups.events import ConnectionEvent
from usher.groups.workflow import Announcer, PubSub
from usher.responses import notice_answers
from usher.service.health import Health

CAME = ConnectionEvent("connected", "chat", "c-1", "ana", {})
WENT = replace(CAME, name="disconnected")
QUERIES = {path.stem: path.read_text("utf-8") for path in (INFRA / "queries").iterdir()}
OF_RECORDS = [name for name, query in QUERIES.items() if "parse_json(message)" in query]
BEGINNING = '{"record": "'


class Working:
    """A service that does everything."""

    async def add_connection(self, *_: Any, **__: Any) -> int:
        return 200

    async def send_to_group(self, *_: Any, **__: Any) -> int:
        return 202

    async def check_health(self) -> None:
        raise ServiceError("refused")


class Broken(Working):
    """A service that refuses everything."""

    async def add_connection(self, *_: Any, **__: Any) -> int:
        raise ServiceError("refused", answered=400)

    async def send_to_group(self, *_: Any, **__: Any) -> int:
        raise ServiceError("refused", answered=400)


@notice_answers
async def connected(_: str) -> None:
    raise BadEventError("not ours")


@notice_answers
async def disconnected(_: str) -> None:
    raise SettingsError({"USHER_AUTH": "is wrong"})


def announcer(pubsub: PubSub) -> Announcer:
    templates = dict.fromkeys(("connected", "disconnected"), "{userId} came or went")
    return Announcer(pubsub, FORMATS["text"], templates, Digest(above=0, seconds=1))


async def write_records() -> None:
    """A join that went well, and one of each kind of what did not."""
    await workflow.join_groups(announcer(Working()), CAME, ["lobby"])
    await workflow.join_groups(announcer(Broken()), CAME, ["lobby"])
    await workflow.leave_groups(announcer(Broken()), WENT, ["lobby"])
    await connected("")
    await disconnected("")
    with pytest.raises(UsherError):
        await Health().check(Broken())


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture) -> Sequence[str]:
    """What the log has of them, which is what Application Insights gets as `message`."""
    with caplog.at_level(logging.INFO, "usher"):
        virtual_time.run(write_records())
    return [record.getMessage() for record in caplog.records]


def asked_for(query: str) -> Callable[[str], bool]:
    """Whether a query looks at a message, by its beginning."""
    beginnings = re.findall(r"message startswith '([^']+)'", query)
    assert beginnings
    return lambda message: any(message.startswith(beginning) for beginning in beginnings)


def test_records_begin_as_the_queries_expect(messages: Sequence[str]) -> None:
    """All five kinds, each of them JSON from its first character on."""
    assert all(message.startswith(BEGINNING) for message in messages)
    kinds = {json.loads(message)["record"] for message in messages}
    assert kinds == {"join", "leave", "refusal", "settings", "health"}


@pytest.mark.parametrize("name", OF_RECORDS)
def test_fields_exist(name: str, messages: Sequence[str]) -> None:
    """Each `record.field` is in a record that the query looks at."""
    wanted = asked_for(QUERIES[name])
    records: list[dict[str, Any]] = [json.loads(text) for text in messages if wanted(text)]
    assert records
    fields = {*re.findall(r"\brecord\.(\w+)", QUERIES[name])}
    assert fields <= {key for record in records for key in record}


@pytest.mark.parametrize("name", OF_RECORDS)
def test_each_beginning_is_a_kind_of_record(name: str, messages: Sequence[str]) -> None:
    """No query waits for a record that nobody writes."""
    for beginning in re.findall(r"message startswith '([^']+)'", QUERIES[name]):
        assert any(message.startswith(beginning) for message in messages), beginning


def test_rows_are_not_counted() -> None:
    """In tables that are sampled, a row says in itemCount how many it stands for."""
    for name, query in QUERIES.items():
        if re.search(r"^(traces|requests)$", query, re.MULTILINE):
            assert "itemCount" in query, name
            assert "count()" not in query, name
