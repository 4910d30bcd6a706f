"""Azurite, Microsoft's storage emulator (npm), with its table service only."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from azure.data.tables import TableClient

from tests.npm import npm_packages
from usher.store.table import TABLE

MANIFEST = Path(__file__).parent / "azurite"
# Of Azurite's documentation; every Azurite has it.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
READY = "successfully started on"


def connection_string(endpoint: str) -> str:
    """Return the connection string for an endpoint such as `http://127.0.0.1:10002`."""
    account = f"AccountName=devstoreaccount1;AccountKey={KEY};"
    return f"DefaultEndpointsProtocol=http;{account}TableEndpoint={endpoint}/devstoreaccount1;"


def create_table(text: str) -> None:
    """Create the table, as infra/ does."""
    with TableClient.from_connection_string(text, table_name=TABLE) as client:
        client.create_table()


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def run_azurite() -> Iterator[str]:
    """Run it until the block ends, and return its connection string. Skips without Node.js."""
    script = npm_packages(MANIFEST, "Azurite") / "azurite/dist/src/table/main.js"
    port = find_free_port()  # with port 0, Azurite does not say which one it took
    options = ["--tablePort", str(port), "--inMemoryPersistence", "--disableTelemetry"]
    process = subprocess.Popen(
        ["node", str(script), *options, "--skipApiVersionCheck"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout
        lines = [""]
        while READY not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], f"Azurite did not start: {''.join(lines)}"
        text = connection_string(f"http://127.0.0.1:{port}")
        create_table(text)
        yield text
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """Run Azurite with the table, and return its connection string."""
    with run_azurite() as text:
        yield text
