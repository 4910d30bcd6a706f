"""http_answers.py: from what a function returned to the response. The recordings have more."""

from http.cookies import SimpleCookie

import pytest

from localdev.host.bindings import Answer, Headers
from localdev.host.http_answers import answer_text, check_answer, write_cookie

TYPE = ("Content-Type", "text/html")


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [
        ("hello", 200, "hello"),
        ("{bad", 200, "{bad"),
        ('{"a":  1}', 200, '{\n  "a": 1\n}'),
        ("null", 200, ""),
        ("false", 200, "False"),
        ("1.50", 200, "1.5"),
        ("12.0", 200, "12"),
        ("NaN", 200, "NaN"),
        ('"2020-01-31T10:00:00.5+01:00"', 200, "01/31/2020 09:00:00"),
        ('"2020-01-31T10:00:00"', 200, "01/31/2020 10:00:00"),
        ('"2020-01-31"', 200, "2020-01-31"),
        ('{"Body": "B", "StatusCode": 418}', 418, "B"),
        ('{"body": {"a": 1}, "status": "201"}', 201, '{\n  "a": 1\n}'),
        ('{"body": null, "status": []}', 200, ""),
        ('{"body": "B", "status": "x"}', 200, "B"),
        ('["\\ud800"]', 200, '[\n  "?"\n]'),
    ],
)
def test_returned_text(text: str, status: int, body: str) -> None:
    """A str that is JSON is read and written again; an object with a body is the response."""
    answer = answer_text(text)
    assert (answer.status, answer.body.decode()) == (status, body)
    assert answer.headers == (("Content-Type", "text/plain; charset=utf-8"),)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("a=1; Path=/; HttpOnly", "a=1; domain=; path=/; httponly"),
        ("a=b c%d/ä", "a=b; domain=; path="),
        ('a="b c"; SameSite=Lax; Secure', "a=b%20c; domain=; path=; secure; samesite=lax"),
        ("a=1; Max-Age=0; Domain=h", "a=1; max-age=0; domain=h; path="),
    ],
)
def test_cookies(written: str, sent: str) -> None:
    """The host writes a cookie from the parts that the worker could read."""
    assert [write_cookie(each) for each in SimpleCookie(written).values()] == [sent]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([TYPE, ("X-One", "a\tb"), ("Content-Length", "1")], None),
        ([TYPE, ("X One", "a")], [TYPE]),
        ([TYPE, ("", "a")], [TYPE]),
        ([TYPE, ("X-One", "é")], [TYPE]),
        ([TYPE, ("X-One", "a\r\nX-Two: b")], [TYPE]),
        ([TYPE, ("X-One", "€")], ()),
        ([TYPE, ("Content-Length", "2")], ()),
    ],
)
def test_headers_that_cannot_be_sent(headers: Headers, expected: Headers | None) -> None:
    """They make the response a 500 with an empty body."""
    head = Answer(200, [("Content-Length", "5")])
    assert check_answer(head) == head
    answer = Answer(200, headers, b"x")
    assert check_answer(answer) == (answer if expected is None else Answer(500, expected))
