import hashlib
import json
import logging
import re
import time
import unittest
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.usher.settings import KEY
from usher import logs
from usher.logs import log_record, pseudonym, redact, redact_all_records

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"
SIGNATURE = "7767effcb3946f3e1de039df4b986ef02c110b1469d02c0a06f41b3b727ab561"
TEXTS_WITH_SECRETS = [
    f"Authorization: Bearer {TOKEN}",
    "authorization: bearer opaque-token-of-somebody",
    f"wss://demo/client/hubs/chat?access_token={TOKEN}&x=1",
    "GET /client?access_token=opaque-token-of-somebody HTTP/1.1",
    f"Endpoint=https://demo;AccessKey={KEY};Version=1.0;",
    f"ce-signature: sha256={SIGNATURE},sha256={SIGNATURE}",
    "/runtime/webhooks/webpubsub?code=opaque-token-of-somebody",
    TOKEN,
]


@pytest.fixture(autouse=True)
def factory() -> Iterator[None]:
    """Install the redaction, and restore the process afterwards."""
    before = logging.getLogRecordFactory()
    redact_all_records()
    yield
    logging.setLogRecordFactory(before)


SECRETS = (TOKEN, KEY, SIGNATURE, "opaque-token-of-somebody")


def is_clean(text: str) -> bool:
    return not any(secret in text for secret in SECRETS)


@pytest.mark.parametrize("text", TEXTS_WITH_SECRETS)
def test_secrets_are_redacted(text: str) -> None:
    assert is_clean(redact(text))
    assert "REDACTED" in redact(text)


@pytest.mark.parametrize("text", TEXTS_WITH_SECRETS)
def test_secrets_are_redacted_in_upper_case_too(text: str) -> None:
    """Both the patterns and the quick check before them ignore the case."""
    shown = redact(text.upper())
    assert not any(secret.upper() in shown for secret in SECRETS)
    assert "REDACTED" in shown


@pytest.mark.parametrize(
    "text",
    [
        *(
            "The signature: valid",
            '{"record": "join", "userId": "ana", "group": "key"}',
            "tokens: 5",
        ),
        *("SharedAccessKeyName=root", "has no AccessKey", '{"key": "USHER_AUTH"}'),
        *(
            "ana joined blue",
            "code=7",
            "sha256=short",
            "connection 37b3a84ab1ad23c53ee4f1b6a1cd3ac2",
        ),
    ],
)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redact(text) == text


KEYS = st.text("abcXYZ019-_+/.~*!$^(),", min_size=16, max_size=60)
PARTS = st.text("abcXYZ019-_", min_size=9, max_size=60)
# The name that a secret follows -> secrets.
NAMED = {
    **dict.fromkeys(("x-functions-key", "AccessKey", "access_token", "client_secret"), KEYS),
    **dict.fromkeys(("sig", "accessKey", "AccountKey", "SharedAccessKey", "password"), KEYS),
    **dict.fromkeys(("accessToken", "clientSecret"), KEYS),
    **dict.fromkeys(("refresh_token", "client_assertion", "id_token", "x-zumo-auth"), KEYS),
    "Authorization": st.builds(
        "{} {}".format, st.sampled_from(["Bearer", "bearer", "Basic"]), KEYS
    ),
    "anything": st.builds("eyJ{}.{}.{}".format, PARTS, PARTS, PARTS),
    "ce-signature": st.builds("sha256={}".format, st.text("0123456789abcdef", min_size=16)),
}


def dumps_often(value: object, times: int) -> str:
    return json.dumps(value) if times == 1 else json.dumps(dumps_often(value, times - 1))


NOTATIONS: dict[str, Callable[[str, str], str]] = {
    "equals": lambda name, value: f"{name}={value}",
    "equals with spaces": lambda name, value: f"{name} = {value}",
    "connection string": lambda name, value: f"Endpoint=https://x;{name}={value};Version=1.0;",
    "header": lambda name, value: f"GET / HTTP/1.1\r\n{name}: {value}\r\nhost: x",
    "header without a space": lambda name, value: f"{name}:{value}",
    "header in upper case": lambda name, value: f"{name.upper()}: {value}",
    "quoted": lambda name, value: f'{name}="{value}" x',
    "json": lambda name, value: json.dumps({"a": 1, name: value, "b": 2}),
    "compact json": lambda name, value: json.dumps({name: value, "b": 2}, separators=(",", ":")),
    "json in json": lambda name, value: json.dumps({"body": json.dumps({name: value, "b": 2})}),
    "json, three times": lambda name, value: json.dumps(json.dumps(json.dumps({name: value}))),
    "json, five times": lambda name, value: dumps_often({name: value}, 5),
    "dict": lambda name, value: repr({"a": 1, name: value}),
    "raw headers": lambda name, value: repr([(name.encode(), value.encode()), (b"host", b"x")]),
    "query": lambda name, value: f"https://x/y?{urlencode({'a': 1, name: value, 'b': 2})} HTTP/1.1",
    "first of a query": lambda name, value: f"GET /y?{urlencode({name: value})}#z",
    "url in a url": lambda name, value: quote(
        f"https://x/y?{urlencode({name: value})}&b=2", safe=""
    ),
    "encoded twice": lambda name, value: quote(quote(f"?{name}={value}", safe=""), safe=""),
    "encoded json": lambda name, value: quote(json.dumps({name: value}), safe=""),
}


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("name", NAMED)
@given(st.data())
@settings(max_examples=6)
def test_each_kind_of_secret_is_redacted_in_each_notation(
    name: str, notation: str, data: st.DataObject
) -> None:
    """No eight characters of it are shown, and what comes before it is."""
    value = data.draw(NAMED[name])
    shown = redact("before " + NOTATIONS[notation](name, value))
    secret = value.rpartition("sha256=" if name == "ce-signature" else " ")[2]
    for form in {secret, quote(secret, safe=""), quote(quote(secret, safe=""), safe="")}:
        pieces = {form[start : start + 8] for start in range(len(form) - 7)}
        assert not [piece for piece in pieces if piece in shown], shown
    assert shown.startswith("before ")
    assert "REDACTED" in shown


@pytest.mark.parametrize("beginning", ["?code=", "&code=", "%3Fcode%3D", "%2526code%253D"])
def test_a_key_in_a_url_is_redacted(beginning: str) -> None:
    """Elsewhere `code` is the code of an error."""
    assert redact(f"/api/x{beginning}opaque-key") == f"/api/x{beginning}REDACTED"
    assert redact('{"code": "unauthorized"}') == '{"code": "unauthorized"}'


def test_a_pseudonym_is_the_same_within_the_process_and_shows_nothing() -> None:
    """An unsalted hash would show an address after trying all of them."""
    first, again, other = map(pseudonym, ("203.0.113.7", "203.0.113.7", "203.0.113.8"))
    assert first == again != other
    assert re.fullmatch("[0-9a-f]{16}", first)
    unsalted = {hashlib.new(name, b"203.0.113.7").hexdigest()[:16] for name in ("sha256", "md5")}
    assert first not in unsalted
    assert pseudonym("\ud800")


@given(st.text(), st.text())
def test_no_text_ends_the_line_of_a_record_or_adds_a_field(user: str, group: str) -> None:
    """A record is one line of ASCII that has exactly the given fields."""
    with unittest.TestCase().assertLogs("usher", logging.INFO) as caught:
        log_record("join", userId=user, group=group)
    (message,) = [record.getMessage() for record in caught.records]
    assert message.isascii()
    assert message.isprintable()
    assert json.loads(message).keys() == {"record", "userId", "group"}
    assert json.loads(message)["record"] == "join"


LONG = 200_000
CLOCK_SECONDS = 0.01  # a shorter time is mostly noise
PIECES = [
    *(
        "eyJ",
        "eyJ.",
        "accesskey",
        "accesskey ",
        "accesskey=",
        'accesskey="',
        "accesskey\\",
        "bearer ",
    ),
    *("sha256=", "sha256=0123456789abcde ", "?code", "%25", "sig%25", 'sig\\"', " ", "sig: ", "\\"),
]


@pytest.mark.parametrize("piece", PIECES)
def test_the_time_of_redaction_is_linear(piece: str) -> None:
    """Four times the text takes four times as long; in quadratic time, it would be 16 times."""
    quarter = piece * (LONG // 4 // len(piece))
    assert redaction_seconds(quarter * 4) < 10 * max(redaction_seconds(quarter), CLOCK_SECONDS)


def redaction_seconds(text: str) -> float:
    """Return the CPU seconds of the fastest of three redactions."""

    def measure() -> float:
        started = time.process_time()
        logs.SECRETS.sub("", text)
        return time.process_time() - started

    return min(measure() for _ in range(3))


def test_a_long_record_is_cut() -> None:
    """Application Insights keeps 32,768 characters of a message."""
    shown = redact("x" * LONG)
    assert shown == "x" * 32_768 + " (cut)"
    assert redact("x" * 32_768) == "x" * 32_768
    assert is_clean(redact("x" * 32_700 + f" AccessKey={KEY}" * 9))


@pytest.mark.parametrize("text", TEXTS_WITH_SECRETS)
def test_every_record_is_redacted(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """This holds for any logger, in the message, its arguments and a traceback."""
    other = logging.getLogger("somebody.else")
    other.warning(text.replace("%", "%%"))
    other.warning("it was %s", text)
    log_record("join", logging.WARNING, userId=text)
    try:
        raise ValueError(text)
    except ValueError:
        other.exception("failed")
    assert len(caplog.records) == 4
    assert is_clean(caplog.text)
    assert "Traceback" in caplog.text


def test_a_record_that_cannot_be_formatted_is_unchanged() -> None:
    """The logging library then reports the error itself."""
    record = logging.getLogRecordFactory()("x", logging.INFO, "x", 1, "%d", ("a",), None)
    assert record.args == ("a",)


def test_a_second_installation_has_no_effect() -> None:
    """The Functions runtime may import the app twice."""
    before = logging.getLogRecordFactory()
    redact_all_records()
    assert logging.getLogRecordFactory() is before
