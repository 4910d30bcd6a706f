"""Tests of events.py."""

import json
from dataclasses import replace

from unit.samples import handshake
from webpubsub_emulator.events import connect_payload, connected_payload, disconnected_payload


def test_the_body_of_connect() -> None:
    """Claims keep their names; claims, query and headers are lists of texts."""
    opening = replace(
        handshake(subprotocols=("a", "b")),
        claims={"sub": ["ann"], "webpubsub.group": ["g", "h"], "exp": ["1"]},
        query={"k": ["1", "2"]},
        headers={"X-Mine": ["x"], "Cookie": ["c=1"], "X-ASRS-Internal-Client": ["hidden"]},
    )
    assert json.loads(connect_payload(opening).content) == {
        "claims": {"sub": ["ann"], "webpubsub.group": ["g", "h"], "exp": ["1"]},
        "query": {"k": ["1", "2"]},
        "headers": {"X-Mine": ["x"], "Cookie": ["c=1"]},
        "subprotocols": ["a", "b"],
        "clientCertificates": [],
    }


def test_the_bodies_of_the_other_system_events() -> None:
    """connected has an empty object, disconnected a reason."""
    assert connected_payload().content == b"{}"
    assert disconnected_payload("bye").content == b'{"reason": "bye"}'
