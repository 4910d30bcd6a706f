"""Tests of client_modes.py."""

import pytest

from webpubsub_emulator.client_modes import PublishMode, read_mode


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ({}, None),
        ({"webpubsub_mode": [""]}, None),
        ({"webpubsub_mode": ["sendEvent"], "group": [""], "noEcho": ["x"]}, None),
        ({"webpubsub_mode": ["SENDTOGROUP"], "group": ["g"]}, PublishMode("g", no_echo=False)),
        (
            {"webpubsub_mode": ["sendToGroup"], "group": ["g"], "noEcho": ["True"]},
            PublishMode("g", no_echo=True),
        ),
        (
            {"webpubsub_mode": ["x", "sendToGroup"], "group": ["g", "h"], "noEcho": ["x", "false"]},
            PublishMode("h", no_echo=False),
        ),
    ],
)
def test_modes(query: dict[str, list[str]], mode: PublishMode | None) -> None:
    """Mode and noEcho are in any case, the last value counts, and unneeded keys are ignored."""
    assert read_mode(query) == mode


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"webpubsub_mode": ["other"]}, "mode"),
        ({"webpubsub_mode": ["sendToGroup"]}, "group"),
        ({"webpubsub_mode": ["sendToGroup"], "group": [" "]}, "group"),
        ({"webpubsub_mode": ["sendToGroup"], "group": ["g", ""]}, "group"),
        ({"webpubsub_mode": ["sendToGroup"], "group": ["g"], "noEcho": ["1"]}, "noEcho"),
        ({"webpubsub_mode": ["sendToGroup"], "group": ["g"], "noEcho": [""]}, "noEcho"),
    ],
)
def test_bad_modes(query: dict[str, list[str]], text: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(ValueError, match=text):
        read_mode(query)
