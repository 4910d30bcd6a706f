"""The lines of `dev.py up` for people; tests and programs read the plain form."""

import json
import logging

import pytest

from localdev.host.logs import IndentedFormatter
from localdev.log_lines import show_line

VISIT = "0af7651916cd43dd8448eb211c80319c"


def line_of(message: str, level: int = logging.INFO, logger: str = "usher") -> str:
    """Return the line that the host writes for a record."""
    record = logging.LogRecord(logger, level, "file", 1, message, None, None)
    return IndentedFormatter().format(record)


def show(**fields: object) -> str:
    return show_line(line_of(json.dumps(fields)), has_colors=False)


def test_records_are_aligned() -> None:
    """Group and groups share a column; the rest follows by name."""
    lines = [
        show(record="negotiate", visit=VISIT, userId="ana", groups=["a", "b"], minutes=60),
        show(record="join", visit=VISIT, hub="chat", group="lobby", userId="zoë", addStatus=200),
        show(record="settings", function="negotiate", problems={"USHER_AUTH": "is wrong"}),
    ]
    assert lines == [
        "    negotiate     0af76519  ana               a, b              minutes=60",
        "    join          0af76519  zoë               lobby             hub=chat  addStatus=200",
        "    settings                                                    function=negotiate  "
        'problems={"USHER_AUTH": "is wrong"}',
    ]


@pytest.mark.parametrize(
    ("level", "color"), [(logging.INFO, 32), (logging.WARNING, 33), (logging.ERROR, 31)]
)
def test_the_level_is_a_color(level: int, color: int) -> None:
    shown = show_line(line_of('{"record": "join"}', level), has_colors=True)
    assert (shown[:5], shown[-4:]) == (f"\x1b[{color}m", "\x1b[0m")
    shown = show_line(line_of("slow", level, "azure"), has_colors=True)
    assert shown == f"\x1b[{color}m{line_of('slow', level, 'azure')}\x1b[0m"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "POST /api/negotiate 200 12 ms negotiate",
        "        Traceback (most recent call last):",
        line_of("negotiate failed", logging.ERROR),
        line_of('{"record": '),
        line_of("{}", logger="other"),
    ],
)
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert show_line(line, has_colors=False) == line


def test_no_text_of_a_record_controls_the_terminal() -> None:
    """A user id, a reason or a name of a field could have such characters."""
    shown = show(record="refusal", userId="\x1b[2J", reason="\u202egone\n", groups=["\x07"])
    assert shown.isprintable()
    assert "\\x1b[2J" in shown
