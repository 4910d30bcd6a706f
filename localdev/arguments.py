"""The command line: every command with its options. What they do is in __main__.py."""

import argparse

from localdev.doctor.target import add_doctor_options
from webpubsub_emulator.command import PORT as EMULATOR_PORT
from webpubsub_emulator.command import add_control_option, add_fault_options

HOST_PORT = 7071  # where Azure Functions Core Tools listen

# Command and what it does, in the order of --help.
COMMANDS = {
    "demo": "Runs the whole journey on this machine and shows each step.",
    "up": "Runs the emulator and the app on the local host, until Ctrl-C.",
    "emulator": "Runs the Web PubSub emulator alone.",
    "host": "Runs the app on the local Functions host alone.",
    "token": "Prints a data plane token for the running emulator, good for an hour.",
    "provision": "Asks the running app to mint a token, add a connection and announce it.",
    "doctor": "Examines a running app and its service.",
    "policy": "Explains what the policy file decides for a user and a group.",
    "test": "Runs all tests. Further arguments go to pytest.",
    "fuzz": "Sends bad input to the emulator until something breaks.",
    "check": "Checks formatting, lint and types.",
    "pin": "Pins in requirements.txt what production needs, down to the last package.",
    "audit": "Asks for known weaknesses of what production needs.",
    "bench": "Measures the app and the emulator, each beside a floor.",
    "storm": "Lets a crowd join one group at once, on the whole local stack, and reports.",
}
MOST = 100_000  # of anything in a storm
PASSING_ON = ("emulator", "policy", "test", "bench")  # further arguments are for what these start
OWN_HELP = ("emulator", "policy", "bench")


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The command with its options, and what it passes on to the tool that it starts."""
    parser = argparse.ArgumentParser(prog="dev.py")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    added = {
        # What these start has a help of its own.
        name: commands.add_parser(name, help=text, description=text, add_help=name not in OWN_HELP)
        for name, text in COMMANDS.items()
    }
    _add_serving_options(added)
    _add_provision_options(added["provision"])
    _add_tool_options(added)
    add_doctor_options(added["doctor"])
    _add_storm_options(added["storm"])
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in PASSING_ON:
        parser.error(f"unknown: {' '.join(rest)}")
    return options, rest


def _add_serving_options(added: dict[str, argparse.ArgumentParser]) -> None:
    _add_port(added["up"], "--emulator-port", EMULATOR_PORT)
    _add_port(added["up"], "--host-port", HOST_PORT)
    _add_port(added["host"], "--port", HOST_PORT)
    add_fault_options(added["up"])
    add_control_option(added["up"])
    for name in ("up", "host"):
        text = "print one line of JSON on stdout when ready"
        added[name].add_argument("--json", action="store_true", help=text)
    for name in ("up", "host"):
        text = "ask for access keys, as Azure does, and print them"
        added[name].add_argument("--keys", action="store_true", help=text)


def _add_port(parser: argparse.ArgumentParser, name: str, default: int) -> None:
    text = f"{default} if not given; 0 means any free one"
    parser.add_argument(name, type=int, default=default, metavar="PORT", help=text)


def _add_provision_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--group", required=True, help="the group to join and to tell")
    parser.add_argument(
        "--connection-id", required=True, metavar="ID", help="a connection that is open"
    )
    parser.add_argument(
        "--announcement", required=True, metavar="TEXT", help="what the group hears"
    )
    parser.add_argument(
        "--user-id", metavar="ID", help="whom the token is for; the connection must be this user's"
    )
    parser.add_argument(
        "--minutes-to-expire", type=int, metavar="MINUTES", help="the token's; 60 if not given"
    )
    parser.add_argument(
        "--url",
        default=f"http://127.0.0.1:{HOST_PORT}",
        help="where the app is; the local host's address if not given",
    )
    parser.add_argument(
        "--key-from-env",
        metavar="NAME",
        help="the environment variable that holds the function key",
    )


def _add_tool_options(added: dict[str, argparse.ArgumentParser]) -> None:
    added["test"].add_argument(
        "--target",
        metavar="CONNECTION_STRING",
        help="run the contract suite alone, against this Web PubSub service, and print a table",
    )
    added["pin"].add_argument(
        "--upgrade", action="store_true", help="take the newest of the named packages, too"
    )
    added["fuzz"].add_argument(
        "--minutes", type=float, default=5, help="how long, if nothing breaks; 5 if not given"
    )


def _add_storm_options(parser: argparse.ArgumentParser) -> None:
    def add_count(name: str, default: int, text: str) -> None:
        told = f"{text}; {default:,} if not given"
        parser.add_argument(name, type=_read_count, default=default, metavar="N", help=told)

    add_count("--users", 1000, "how many come")
    add_count("--rate", 400, "how many of them a second, if the machine carries it")
    add_count("--rounds", 1, "so many storms, to see whether memory grows")
    add_count("--instances", 1, "so many instances of the app, which get calls in turn")
    text = "whether crowds are told of as one; one run after the other if not given"
    parser.add_argument("--digest", choices=("both", "on", "off"), default="both", help=text)
    text = "of announcements; json if not given, in which doubles can be told"
    parser.add_argument("--format", choices=("json", "text"), default="json", help=text)
    parser.add_argument("--json", action="store_true", help="report in JSON")
    add_fault_options(parser)


def _read_count(text: str) -> int:
    """At least one."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST:,}")
    return int(text)
