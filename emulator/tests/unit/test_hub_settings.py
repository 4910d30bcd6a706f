"""Tests of hub_settings.py and units.py."""

import pytest

from webpubsub_emulator.hub_settings import DEFAULTS, HubSettings, settings_of
from webpubsub_emulator.units import connection_limit


def test_defaults_are_the_ones_of_azure() -> None:
    assert HubSettings("deny", 20) == DEFAULTS
    assert not DEFAULTS.allows_anonymous


def test_settings_are_found_in_any_case() -> None:
    settings = {"chat": HubSettings("Allow")}
    assert settings_of(settings, "Chat").allows_anonymous
    assert settings_of(settings, "other") is DEFAULTS


@pytest.mark.parametrize("seconds", [0, 121])
def test_intervals_that_azure_refuses(seconds: int) -> None:
    with pytest.raises(ValueError, match="1 to 120 seconds"):
        HubSettings(keep_alive_seconds=seconds)


@pytest.mark.parametrize(
    ("units", "limit"), [("free", 20), ("FREE", 20), ("1", 1_000), ("1000", 1_000_000)]
)
def test_units(units: str, limit: int) -> None:
    assert connection_limit(units) == limit


@pytest.mark.parametrize("units", ["", "0", "-1", "1001", "00010", "1.5", "one", "²", "9" * 5_000])
def test_units_that_cannot_be(units: str) -> None:
    with pytest.raises(ValueError, match="neither free nor a number from 1 to 1000"):
        connection_limit(units)
