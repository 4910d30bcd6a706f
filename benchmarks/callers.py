"""The stub of the service, and the processes that call it: apps on the runtime, and the floor."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.certificates import make_certificate
from benchmarks.children import ROOT, BenchmarkError, Child, run_child
from benchmarks.loads import LoadResult
from benchmarks.stub import IDENTITY_PATH
from localdev.stack import sample_settings
from webpubsub_emulator import ACCESS_KEY

APPS = ROOT / "benchmarks" / "apps"
CONNECTION = "WebPubSubConnectionString"


@dataclass(frozen=True, slots=True)
class Caller:
    """A process that calls the service: an app on the Functions runtime, or the floor."""

    child: Child

    async def negotiate(self, count: int, in_flight: int) -> LoadResult:
        """Request `count` tokens, at most `in_flight` at a time."""
        return LoadResult(**await self.child.call("negotiate", count=count, in_flight=in_flight))

    async def connected(self, count: int, in_flight: int, *, is_alone: bool = False) -> LoadResult:
        """Add and announce `count` connections, at most `in_flight` at a time.

        If `is_alone`, each of them joins a group of its own.
        """
        numbers = {"count": count, "in_flight": in_flight, "is_alone": is_alone}
        return LoadResult(**await self.child.call("connected", **numbers))

    async def present(self, count: int, in_flight: int) -> LoadResult:
        """Make the calls of `count` quiet joins in presence format; only the floor can do this."""
        return LoadResult(**await self.child.call("present", count=count, in_flight=in_flight))


@dataclass(frozen=True, slots=True)
class Stub:
    """A stub at `endpoint`. `trust`: variables that make a process trust its certificate."""

    endpoint: str
    child: Child
    trust: Mapping[str, str]

    async def check_events(self, count: int) -> None:
        """Check that `count` connections were added and announced since the last check.

        Raises BenchmarkError if not.
        """
        await self.check_calls({"add": count, "send": count})

    async def check_calls(self, expected: Mapping[str, int]) -> None:
        """Check how often these calls were made since the last check. Raises BenchmarkError."""
        counts = await self.child.call("take_counts")
        made = {name: counts[name] for name in expected}
        if made != expected:
            raise BenchmarkError(f"Not all were added and announced: {made} instead of {expected}")


def key_settings(endpoint: str) -> dict[str, str]:
    """Return the app's settings with an access key and the mode `key`."""
    connection_string = f"Endpoint={endpoint};AccessKey={ACCESS_KEY};Version=1.0;"
    return {**_common_settings(), CONNECTION: connection_string}


def identity_settings(endpoint: str) -> dict[str, str]:
    """Return the app's settings with a managed identity and without an access key."""
    return {
        **_common_settings(),
        CONNECTION: "",
        f"{CONNECTION}__serviceUri": endpoint,
        "IDENTITY_ENDPOINT": endpoint + IDENTITY_PATH,
        "IDENTITY_HEADER": "known-to-the-stub",
    }


def _common_settings() -> dict[str, str]:
    # No summaries: each of hundreds of events a second is announced, which costs the most.
    chosen = {"USHER_AUTH": "key", "USHER_DIGEST_ABOVE": "0", "USHER_BANS": "off"}
    return {**sample_settings(), **chosen}


@asynccontextmanager
async def run_stub(*, tls: bool) -> AsyncIterator[Stub]:
    """Run a stub until the block ends."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        certificate = make_certificate(folder) if tls else None
        arguments = [str(certificate.server)] if certificate else []
        child = await stack.enter_async_context(run_child("-m", "benchmarks.stub", *arguments))
        port = int(await child.read_line())
        scheme, trust = ("https", certificate.environment) if certificate else ("http", {})
        yield Stub(f"{scheme}://127.0.0.1:{port}", child, trust)


@asynccontextmanager
async def run_app(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Caller]:
    """Run an app on the Functions runtime until the block ends."""
    command = ("-m", "benchmarks.worker", str(folder))
    async with run_child(*command, environment=environment) as child:
        yield Caller(child)


@asynccontextmanager
async def run_raw(stub: Stub) -> AsyncIterator[Caller]:
    """Run the floor, which calls the service with aiohttp alone, until the block ends."""
    command = ("-m", "benchmarks.raw", stub.endpoint)
    async with run_child(*command, environment=stub.trust) as child:
        yield Caller(child)
