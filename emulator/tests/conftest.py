"""The command line options of the tests."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--target`, which only the contract suite reads."""
    parser.addoption(
        "--target",
        metavar="CONNECTION_STRING",
        help="run the contract suite against this Web PubSub service instead of the emulator",
    )
