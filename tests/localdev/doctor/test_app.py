"""Tests of localdev/doctor/app.py: settings."""

import pytest

from localdev.doctor.app import check_settings
from localdev.doctor.findings import Level
from tests.localdev.doctor.contexts import make_context

LOCAL_APP = "http://127.0.0.1:7071"


@pytest.mark.parametrize(
    "problems",
    [
        {"USHER_TOKEN_MINUTES": "must be a whole number of minutes"},
        {"USHER_ALLOWED_ORIGINS": "must be origins of the form https://HOST"},
        {"WebPubSubConnectionString": "has an AccessKey that is too short"},
        {"USHER_STATE_KEY": "must have at least 32 characters", "WebPubSubHub": "is required"},
    ],
)
async def test_every_setting_that_the_app_refuses_is_named(problems: dict[str, str]) -> None:
    """Whatever the app finds wrong with its settings, such as a bound that is exceeded."""
    async with make_context(LOCAL_APP, self_check={"problems": problems}) as context:
        finding = await check_settings(context)
    assert finding.level is Level.FAILURE
    assert all(f"{key} {problem}" in finding.saw for key, problem in problems.items())
