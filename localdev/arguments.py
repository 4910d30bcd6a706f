"""The options of each command of dev.py. The commands are in __main__.py."""

import argparse
import math
import os
from pathlib import Path

from webpubsub_emulator.command import PORT as EMULATOR_PORT
from webpubsub_emulator.command import add_control_option, add_fault_options, read_port

HOST_PORT = 7071  # the default port of Azure Functions Core Tools
MAX_COUNT = 100_000  # users, joins per second, rounds and instances of a storm


def add_demo_options(parser: argparse.ArgumentParser) -> None:
    text = "show presence instead: tabs, a reload, and a browser that is killed"
    parser.add_argument("--presence", action="store_true", help=text)


def add_up_options(parser: argparse.ArgumentParser) -> None:
    _add_port(parser, "--emulator-port", EMULATOR_PORT)
    _add_port(parser, "--host-port", HOST_PORT)
    add_fault_options(parser)
    add_control_option(parser)
    _add_output_options(parser, "; log records stay JSON, also in a terminal")


def add_host_options(parser: argparse.ArgumentParser) -> None:
    text = "the folder of another Python v2 function app, to run instead of Usher"
    parser.add_argument("--app", type=_read_folder, metavar="FOLDER", help=text)
    _add_port(parser, "--port", HOST_PORT)
    _add_output_options(parser)
    # For run_host. It ends its child itself, so Ctrl-C in a terminal must not.
    parser.add_argument("--is-child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--keys-from-stdin", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--home-link", default="", help=argparse.SUPPRESS)


def add_status_options(parser: argparse.ArgumentParser) -> None:
    for name, default in (("--emulator-port", EMULATOR_PORT), ("--host-port", HOST_PORT)):
        text = f"the port of `dev.py up`; {default} by default"
        parser.add_argument(name, type=read_port, default=default, metavar="PORT", help=text)
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def add_provision_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--group", required=True, help="the group to join")
    text = "an open connection, which joins the group"
    parser.add_argument("--connection-id", required=True, metavar="ID", help=text)
    text = "the message to the group"
    parser.add_argument("--announcement", required=True, metavar="TEXT", help=text)
    text = "the user of the token; the connection must belong to this user"
    parser.add_argument("--user-id", metavar="ID", help=text)
    text = "lifetime of the token; 60 by default"
    parser.add_argument("--minutes-to-expire", type=int, metavar="MINUTES", help=text)
    add_app_options(parser)


def add_remove_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", required=True, metavar="ID", help="the user to remove")
    parser.add_argument("--group", help="the group; by default the whole hub")
    text = "how long the user stays out; 60 by default. 0 closes connections and bans nobody"
    parser.add_argument("--minutes", type=int, help=text)
    parser.add_argument("--reason", metavar="TEXT", help="a reason that the user sees")
    add_app_options(parser)


def add_app_options(parser: argparse.ArgumentParser) -> None:
    text = "the address of the app; the local host by default"
    parser.add_argument("--url", default=f"http://127.0.0.1:{HOST_PORT}", help=text)
    text = "the environment variable that holds the function key"
    parser.add_argument("--key-from-env", metavar="NAME", help=text)


def add_test_options(parser: argparse.ArgumentParser) -> None:
    text = "leave out what takes long: browsers, npm packages, storms, whole stacks, the model"
    parser.add_argument("--quick", action="store_true", help=text)
    text = "measure and print branch coverage; the tests then take about twice as long"
    parser.add_argument("--coverage", action="store_true", help=text)
    text = "run only the contract suite, against this Web PubSub service, and print a table"
    parser.add_argument("--target", metavar="CONNECTION_STRING", help=text)


def add_fuzz_options(parser: argparse.ArgumentParser) -> None:
    text = "how long to run if nothing fails; 5 by default"
    parser.add_argument("--minutes", type=_read_minutes, default=5, metavar="MINUTES", help=text)


def add_pin_options(parser: argparse.ArgumentParser) -> None:
    text = "move all packages to their newest versions"
    parser.add_argument("--upgrade", action="store_true", help=text)


def add_audit_options(parser: argparse.ArgumentParser) -> None:
    text = "succeed although no database of vulnerabilities can be reached"
    parser.add_argument("--offline-ok", action="store_true", help=text)


def add_storm_options(parser: argparse.ArgumentParser) -> None:
    _add_count(parser, "--users", 1000, "number of clients")
    _add_count(parser, "--rate", 400, "clients that start per second, if the machine can")
    _add_count(parser, "--rounds", 1, "number of storms, to see whether memory grows")
    _add_count(parser, "--instances", 1, "number of app instances, which get requests in turn")
    text = "whether the app sends summaries of many joins; by default one run with, one without"
    parser.add_argument("--digest", choices=("both", "on", "off"), default="both", help=text)
    text = (
        "format of announcements; json by default, in which clients can detect duplicates. With "
        "presence the clients are tabs of up to 200 users, and each must show all of them"
    )
    choices = ("json", "text", "presence")
    parser.add_argument("--format", choices=choices, default="json", help=text)
    parser.add_argument("--json", action="store_true", help="print the report in JSON")
    add_fault_options(parser)


def _add_port(parser: argparse.ArgumentParser, name: str, default: int) -> None:
    text = f"{default} by default; 0 means any free port"
    parser.add_argument(name, type=read_port, default=default, metavar="PORT", help=text)


def _add_output_options(parser: argparse.ArgumentParser, more: str = "") -> None:
    text = f"print one line of JSON on stdout when ready{more}"
    parser.add_argument("--json", action="store_true", help=text)
    text = "require access keys, as Azure does, and print them"
    parser.add_argument("--keys", action="store_true", help=text)


def _read_minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return minutes


def _read_folder(text: str) -> Path:
    # dev.py changes to its own folder, and names the folder that it was called from.
    folder = Path(os.environ.get("DEV_PY_CALLED_FROM", "."), text).resolve()
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{folder} is not a folder")
    return folder


def _add_count(parser: argparse.ArgumentParser, name: str, default: int, text: str) -> None:
    text = f"{text}; {default:,} by default"
    parser.add_argument(name, type=_read_count, default=default, metavar="N", help=text)


def _read_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_COUNT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MAX_COUNT:,}")
    return int(text)
