"""Runs the host: `python -m tests.localdev.host.serve APP PORT SECONDS [keys]`.

With the argument `keys` it requires KEYS. It prints its address on stdout.
"""

import asyncio
import sys
from pathlib import Path

from localdev.host.errors import HostError
from localdev.host.keys import Keys
from localdev.host.logs import configure_logging
from localdev.host.server import FunctionsHost
from localdev.host.settings import apply_local_settings

KEYS = Keys("the-master-key", "the-function-key", "the-system-key")


async def serve(app_dir: Path, port: int, response_timeout: float, keys: Keys | None) -> None:
    """Serve until the process is terminated."""
    async with FunctionsHost(
        app_dir, port=port, response_timeout=response_timeout, keys=keys
    ) as host:
        print(host.address, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Read the arguments and serve. A HostError ends the process with its text."""
    app_dir, port, response_timeout = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    keys = KEYS if sys.argv[4:] == ["keys"] else None
    configure_logging()
    try:
        apply_local_settings(app_dir)
        asyncio.run(serve(app_dir, port, response_timeout, keys))
    except HostError as error:
        sys.exit(f"HostError: {error}\ncause: {error.__cause__!r}")


if __name__ == "__main__":
    main()
