"""A stand-in for az that answers from files in its folder, with the same query language.

It records each call in the file `calls`. Tests write the app's settings, its key and the hub as
files, too. The key exists after as many requests as the file `asks` says.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jmespath

# Tests import this module for its names; there are no arguments then.
FOLDER, *ARGUMENTS = sys.argv[1:] or [""]
HERE = Path(FOLDER)
MASTER_KEY = "master-key"


def main() -> None:
    with (HERE / "calls").open("a") as calls:
        calls.write(json.dumps(ARGUMENTS) + "\n")
    command = re.split(r" -", " ".join(ARGUMENTS))[0]
    if command not in ANSWERS:
        sys.exit(f"az: unknown command '{command}'")
    show(ANSWERS[command]())


def option(name: str) -> str:
    """Return the value of an option. Ends like az if the option is missing."""
    if name not in ARGUMENTS:
        sys.exit(f"az: the following arguments are required: {name}")
    return ARGUMENTS[ARGUMENTS.index(name) + 1]


def load(name: str) -> Any:
    return json.loads((HERE / name).read_text("utf-8"))


def account() -> Any:
    if (HERE / "logged-out").exists():
        sys.exit("ERROR: Please run 'az login' to setup account.")
    return {}


def app_settings() -> Any:
    return [{"name": name, "value": value} for name, value in load("settings").items()]


def keys() -> Any:
    """Return the keys. At first the host fails, then other keys exist, then the key exists."""
    asks = load("asks") - 1
    (HERE / "asks").write_text(str(asks))
    if asks > 1:
        sys.exit("ERROR: Operation returned an invalid status 'Service Unavailable'")
    system = {"webpubsub_extension": load("key")} if asks < 1 else {"other_extension": "x"}
    return {"masterKey": MASTER_KEY, "functionKeys": {"default": "d"}, "systemKeys": system}


def deploy() -> Any:
    """Write the hub as hub.bicep would deploy it."""
    if not Path(option("--template-file")).exists():
        sys.exit("ERROR: no such template")
    first = ARGUMENTS.index("--parameters") + 1
    parameters = dict(pair.split("=", 1) for pair in ARGUMENTS[first:] if "=" in pair)
    key = load("key") if parameters["eventKey"] == "system" else MASTER_KEY
    url = f"https://{parameters['functionAppName']}/runtime/webhooks/webpubsub?code={key}"
    if (HERE / "deployment-fails").exists():
        sys.exit(f"ERROR: the URL '{url}' is not valid")
    connect = [] if parameters["singleGroup"] == "true" else ["connect"]
    events = [*connect, "connected", "disconnected"]
    if (HERE / "other-order").exists():
        events.reverse()
    handler = {"urlTemplate": url, "systemEvents": events}
    handlers = [] if (HERE / "handler-is-lost").exists() else [handler]
    hub = {"properties": {"eventHandlers": handlers}, "given": parameters}
    (HERE / "hub").write_text(json.dumps(hub))
    return hub


def show(answer: Any) -> None:
    """Print the answer as az does with --query and --output; print all of it without them."""
    if "--query" in ARGUMENTS:
        answer = jmespath.search(option("--query"), answer)
    if answer is None or ("--output" in ARGUMENTS and option("--output") == "none"):
        return
    lines = answer if isinstance(answer, list) else [answer]
    print("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))


ANSWERS: dict[str, Callable[[], Any]] = {
    "login": dict,
    "account show": account,
    "functionapp config appsettings list": app_settings,
    "functionapp keys list": keys,
    "functionapp keys set": dict,
    "functionapp restart": dict,
    "functionapp identity remove": dict,
    "identity list": lambda: [
        {"id": "deploy-x", "name": "deploy-x", "principalId": "p-deploy"},
        {"id": "id-x", "name": "id-x", "principalId": "p-app"},
    ],
    "identity show": lambda: {"principalId": "p-github", "clientId": "c", "tenantId": "t"},
    "identity create": dict,
    "identity federated-credential create": dict,
    "group create": dict,
    "role definition create": dict,
    "role assignment create": dict,
    "identity delete": dict,
    "rest": lambda: {"secondaryConnectionString": "Endpoint=x"},
    "functionapp config appsettings set": dict,
    "functionapp list": lambda: [{"name": "func-usher-x"}],
    "functionapp show": lambda: {"defaultHostName": "func-usher-x.example"},
    "deployment group create": deploy,
    "deployment sub create": dict,
    "resource delete": dict,
    "resource list": lambda: [{"name": "wps-x"}],
    "resource show": lambda: load("hub"),
}

if __name__ == "__main__":
    main()
