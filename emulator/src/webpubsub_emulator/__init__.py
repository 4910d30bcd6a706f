"""An emulator of Azure Web PubSub for development and tests.

from webpubsub_emulator import Emulator

async with Emulator() as emulator:
    print(emulator.connection_string)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from webpubsub_emulator.faults import FAULTS, Fault, FaultError, Faults, parse_fault
    from webpubsub_emulator.fixture import EmulatorFixture
    from webpubsub_emulator.journal import EventRecord
    from webpubsub_emulator.recording import ClientConnection, SentMessage
    from webpubsub_emulator.server import Emulator
    from webpubsub_emulator.tokens import ACCESS_KEY, sign_data_plane_token

__all__ = [
    "ACCESS_KEY",
    "FAULTS",
    "ClientConnection",
    "Emulator",
    "EmulatorFixture",
    "EventRecord",
    "Fault",
    "FaultError",
    "Faults",
    "SentMessage",
    "parse_fault",
    "sign_data_plane_token",
]

# The module of each public name. It is imported on first use, because a program that needs only
# one module of this package should not have to wait for aiohttp.
_MODULES = {
    "ACCESS_KEY": "tokens",
    "FAULTS": "faults",
    "ClientConnection": "recording",
    "Emulator": "server",
    "EmulatorFixture": "fixture",
    "EventRecord": "journal",
    "Fault": "faults",
    "FaultError": "faults",
    "Faults": "faults",
    "SentMessage": "recording",
    "parse_fault": "faults",
    "sign_data_plane_token": "tokens",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
