"""Fixtures: the official packages of npm."""

from pathlib import Path

import pytest

from npm.packages import installed


@pytest.fixture(scope="session")
def packages() -> Path:
    """Provide the folder with npm's packages; skip the test without Node.js."""
    return installed()
