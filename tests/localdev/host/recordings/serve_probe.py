"""Runs one host for each configuration of the recordings, all in one process, with the probe app.

`python -m tests.localdev.host.recordings.serve_probe APP` prints their addresses as JSON. APP is a
copy of the probe app, because the configuration is in its local.settings.json.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path

from localdev.host import runtime
from localdev.host.logs import configure_logging
from localdev.host.server import FunctionsHost
from tests.localdev.host.recordings.replay import CONFIGURATIONS
from tests.localdev.host.serve import KEYS


async def serve(app_dir: Path) -> None:
    """Serve until the process is terminated."""
    addresses = {}
    async with AsyncExitStack() as hosts:
        for configuration in CONFIGURATIONS:
            asks_for_keys, cors = json.loads(configuration)
            cors = cors or {"origins": "", "credentials": False}
            settings = {"Host": {"CORS": cors["origins"], "CORSCredentials": cors["credentials"]}}
            (app_dir / "local.settings.json").write_text(json.dumps(settings))
            host = FunctionsHost(app_dir, port=0, keys=KEYS if asks_for_keys else None)
            await hosts.enter_async_context(host)
            addresses[configuration] = host.address
        print(json.dumps(addresses), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logging()
    # A process can load an app once, and all hosts have the same app.
    runtime.load_functions = cache(runtime.load_functions)
    asyncio.run(serve(Path(sys.argv[1])))
