"""Tests of handler_settings.py."""

import json
import re
from typing import Any, Literal

import pytest

from webpubsub_emulator.events import Event
from webpubsub_emulator.group_events import new_group_events
from webpubsub_emulator.handler_settings import (
    SYSTEM_EVENTS,
    EventHandlerSetting,
    HubFile,
    read_settings,
)
from webpubsub_emulator.hub_settings import HubSettings
from webpubsub_emulator.messages import Payload

URL = "http://h/{event}?code=c0de"


def takes(setting: EventHandlerSetting, kind: Literal["sys", "user"], name: str) -> bool:
    """Return whether the event handler gets an event of that kind and name."""
    return setting.takes(Event("chat", "c1", kind, name, 0, Payload("text", b"")))


@pytest.mark.parametrize(
    ("pattern", "name", "taken"),
    [
        ("*", "anything", True),
        (" * ", "anything", True),
        ("message", "message", True),
        ("Message", "mESSAGE", True),
        ("message", "messages", False),
        (" a , b.c-d_1 ", "b.C-d_1", True),
        ("a,b", "a,b", False),
        ("a,,", "a", True),
        ("", "a", False),
        ("connected", "connected", True),
    ],
)
def test_user_event_patterns(pattern: str, name: str, taken: bool) -> None:
    """A star, or names with commas, in any case and with blanks around them."""
    assert takes(EventHandlerSetting(URL, (), pattern), "user", name) is taken


@pytest.mark.parametrize("pattern", ["room.*", "a,*", "*,*", "?", "[ab]", "a b", "é"])
def test_other_patterns_are_refused(pattern: str) -> None:
    """There are no other wildcards, and names must be possible event names."""
    with pytest.raises(ValueError, match="user event pattern"):
        EventHandlerSetting(URL, (), pattern)


def test_system_and_user_events_are_independent() -> None:
    """A user event with the name of a system event is a user event."""
    setting = EventHandlerSetting(URL, ("Connected",), "")
    assert [takes(setting, "sys", name) for name in SYSTEM_EVENTS] == [False, True, False]
    assert not takes(setting, "user", "connected")
    assert not takes(EventHandlerSetting(URL, (), "*"), "sys", "connected")


def test_an_event_handler_takes_everything_by_default() -> None:
    setting = EventHandlerSetting(URL)
    assert all(takes(setting, "sys", name) for name in SYSTEM_EVENTS)
    assert takes(setting, "user", "e")


def test_group_events_are_independent_too() -> None:
    """Without them an event handler gets none, as with an empty list of names in Azure."""

    def gets(setting: EventHandlerSetting, name: str, group: str) -> bool:
        event = Event("chat", "c1", "gp", name, 0, Payload("json", b""), group=group)
        return setting.takes(event)

    setting = EventHandlerSetting(URL, (), "", new_group_events(["JOINED"], ["room.*", "lobby"]))
    assert gets(setting, "joined", "lobby")
    assert gets(setting, "joined", "room.1")
    assert not gets(setting, "joined", "room.1.2")
    assert not gets(setting, "left", "lobby")
    assert not takes(setting, "user", "joined")
    assert not gets(EventHandlerSetting(URL), "joined", "lobby")
    assert not gets(EventHandlerSetting(URL, group_events=new_group_events([], ["*"])), "left", "g")
    assert gets(
        EventHandlerSetting(URL, group_events=new_group_events(["left"], [])), "left", "a.b"
    )


def test_unknown_system_events_are_refused() -> None:
    """The error names the event, and the events that exist."""
    with pytest.raises(ValueError, match=r"'message' is not.*connect, connected, disconnected"):
        EventHandlerSetting(URL, ("connect", "message"))


def test_the_code_is_not_shown() -> None:
    """The repr of a setting has no URL, whose query may contain a code."""
    assert "c0de" not in repr(EventHandlerSetting(URL))


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("http://h/api/{HUB}/{event}?code=a%2Bb", "http://h/api/cha%5Bt/a.b?code=a%2Bb"),
        ("https://h:1/fixed", "https://h:1/fixed"),
    ],
)
def test_templates_are_resolved(template: str, url: str) -> None:
    """Parameters in any case are replaced and encoded; the rest is unchanged."""
    assert EventHandlerSetting(template).url("cha[t", "a.b") == url


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("ftp://h/", "http"),
        ("h/path", "http"),
        ("http:///path", "host name"),
        ("http://{hub}.example/", "host name"),
        ("http://h/{user}", "two parameters"),
        ("http://h/{hub", "two parameters"),
        ("http://h:port/", "not a URL"),
        ("http://[::/", "not a URL"),
    ],
)
def test_bad_templates_are_explained(template: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        EventHandlerSetting(template)


def test_a_settings_file() -> None:
    """Hubs and event handlers keep their order, and a handler gets only the events it lists."""
    text = """{"hubs": {
        "chat": {"eventHandlers": [
            {"urlTemplate": "http://a/", "systemEvents": ["connect"], "userEventPattern": "x, y"},
            {"urlTemplate": "http://b/", "groupPresenceEvents": null},
            {"urlTemplate": "http://d/",
             "groupPresenceEvents": {"eventNames": ["left"], "groupFilters": ["g*"]}},
            {"urlTemplate": "http://e/", "groupPresenceEvents": {"eventNames": null}}]},
        "Other": {"eventHandlers": [{"urlTemplate": "http://c/", "userEventPattern": "*"}],
                  "anonymousConnectPolicy": "Allow"},
        "quick": {"webSocketKeepAliveIntervalInSeconds": 1}}}"""
    assert read_settings(text) == [
        HubFile(
            "chat",
            HubSettings("deny", 20),
            [
                EventHandlerSetting("http://a/", ("connect",), "x, y"),
                EventHandlerSetting("http://b/", (), ""),
                EventHandlerSetting("http://d/", (), "", new_group_events(["left"], ["g*"])),
                EventHandlerSetting("http://e/", (), ""),
            ],
        ),
        HubFile("Other", HubSettings("Allow"), [EventHandlerSetting("http://c/", (), "*")]),
        HubFile("quick", HubSettings(keep_alive_seconds=1), []),
    ]


GOOD = {"urlTemplate": "http://a/?code=c0de"}


@pytest.mark.parametrize(
    ("second", "error"),
    [
        ("text", "Must be an object."),
        ({}, "urlTemplate: Must be a string."),
        ({"urlTemplate": "ftp://c0de/"}, "urlTemplate: .*http"),
        (GOOD | {"systemEvents": "connect"}, "systemEvents: Must be a list."),
        (GOOD | {"systemEvents": [1]}, "systemEvents: Must be a string."),
        (GOOD | {"systemEvents": ["message"]}, "systemEvents: 'message' is not a system event"),
        (GOOD | {"userEventPattern": ["*"]}, "userEventPattern: Must be a string."),
        (GOOD | {"userEventPattern": "room.*"}, "userEventPattern: 'room.*' is not"),
        (GOOD | {"groupPresenceEvents": []}, "groupPresenceEvents: Must be an object."),
        (
            GOOD | {"groupPresenceEvents": {"eventNames": "left"}},
            "groupPresenceEvents: Must be",
        ),
        (GOOD | {"groupPresenceEvents": {"eventNames": ["x"]}}, "groupPresenceEvents: 'x' is not"),
        (
            GOOD | {"groupPresenceEvents": {"groupFilters": ["\\a"]}},
            "groupPresenceEvents: .*patt",
        ),
        (GOOD | {"groupPresenceEvents": {"groups": []}}, "groupPresenceEvents: 'groups' is not"),
        (GOOD | {"auth": {"type": "None"}}, "'auth' is not supported here; known: urlTemplate, "),
    ],
)
def test_a_mistake_in_an_event_handler(second: Any, error: str) -> None:
    """The error names hub, index and key in one line, without the URL."""
    text = json.dumps({"hubs": {"chat": {"eventHandlers": [GOOD, second]}}})
    with pytest.raises(ValueError, match=r"^hub chat: eventHandlers: \[1\]: ") as caught:
        read_settings(text)
    error_text = str(caught.value)
    assert re.search(rf"\[1\]: {error}", error_text)
    assert "\n" not in error_text
    assert "c0de" not in error_text


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "Expecting value: line 1"),
        ("[]", "Must be an object"),
        ("{}", "hubs: Must be an object"),
        ('{"hubs": {}, "more": 1}', "'more' is not supported here; known: hubs"),
        ('{"hubs": []}', "hubs: Must be an object"),
        ('{"hubs": {"a-b": {}}}', "hub a-b: 'a-b' is not a hub name"),
        ('{"hubs": {"chat": []}}', "hub chat: Must be an object"),
        ('{"hubs": {"chat": {"eventHandlers": {}}}}', "hub chat: eventHandlers: Must be a list"),
        (
            '{"hubs": {"chat": {"eventListeners": []}}}',
            "hub chat: 'eventListeners' is not supported here; known: eventHandlers, ",
        ),
        (
            '{"hubs": {"chat": {"anonymousConnectPolicy": true}}}',
            "hub chat: anonymousConnectPolicy: Must be a string",
        ),
        (
            '{"hubs": {"chat": {"anonymousConnectPolicy": "maybe"}}}',
            "hub chat: The anonymous connect policy must be allow or deny",
        ),
        (
            '{"hubs": {"chat": {"webSocketKeepAliveIntervalInSeconds": true}}}',
            "hub chat: webSocketKeepAliveIntervalInSeconds: Must be a whole number",
        ),
        (
            '{"hubs": {"chat": {"webSocketKeepAliveIntervalInSeconds": 121}}}',
            "hub chat: The keep-alive interval must be 1 to 120 seconds",
        ),
    ],
)
def test_a_mistake_around_event_handlers(text: str, error: str) -> None:
    """Broken JSON, wrong types and unknown keys are reported with their place."""
    with pytest.raises(ValueError, match=rf"^{re.escape(error)}"):
        read_settings(text)
