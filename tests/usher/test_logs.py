import logging
from collections.abc import Iterator

import pytest

from tests.usher.settings import KEY
from usher.logs import log_record, redact, redact_all_records

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
    ["ana joined blue", "code=7", "sha256=short", "connection 37b3a84ab1ad23c53ee4f1b6a1cd3ac2"],
)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redact(text) == text


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
