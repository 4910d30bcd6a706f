"""An app whose functions return what a recorded function returned.

Its folder has `listeners.json`, the declarations of the triggers, `returns.json`, what the next
function returns, and `received.json`, which the app writes: what the last function received.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import azure.functions as func

FOLDER = Path(__file__).parent

app = func.FunctionApp()


def make_function(number: int) -> Callable[[str], Any]:
    """Return the function of a listener."""

    def recorded(request: str) -> Any:
        received = {"called": number, "request": request}
        (FOLDER / "received.json").write_text(json.dumps(received))
        [(kind, value)] = json.loads((FOLDER / "returns.json").read_text()).items()
        return base64.b64decode(value) if kind == "base64" else value

    return recorded


for number, options in enumerate(json.loads((FOLDER / "listeners.json").read_text())):
    trigger = app.generic_trigger(arg_name="request", type="webPubSubTrigger", **options)
    app.function_name(f"listener{number}")(trigger(make_function(number)))
