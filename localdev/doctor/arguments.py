"""The options of `dev.py doctor`."""

import argparse

from localdev.doctor.target import LOCAL_APP, LOCAL_PATIENCE, PATIENCE

DESCRIPTION = (
    "Does what Web PubSub and a browser would do, and says what it saw, what that means and the "
    "one fix. Without options: the stack that `dev.py up` runs. A journey of two clients is part "
    "of it, so whoever is in the group is told of them."
)
EPILOG = (
    "Exit status: 0 where all is well, warnings included; 1 where something does not work; 2 where "
    "the examination could not begin. Keys and tokens are read from variables, and are never shown."
)


def add_doctor_options(parser: argparse.ArgumentParser) -> None:
    """All of them; none takes a secret."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    text = "the app, such as https://NAME.azurewebsites.net; %(default)s if not given"
    parser.add_argument("--app", default=LOCAL_APP, metavar="URL", help=text)
    for option, text in (
        ("--key", "the system key webpubsub_extension, for the webhook"),
        ("--function-key", "a function key, for `key` mode"),
        ("--bearer", "a bearer token of the identity provider, for `oidc` mode"),
        ("--access-key", "the service's access key, to sign events where there is one"),
    ):
        parser.add_argument(f"{option}-from-env", metavar="VARIABLE", help=f"holds {text}")
    text = "a page's origin that must be allowed; repeatable"
    parser.add_argument("--origin", action="append", default=[], metavar="ORIGIN", help=text)
    parser.add_argument("--group", help="the group to enter; the app's default if not given")
    parser.add_argument("--hub", help="the hub, where negotiate cannot be asked for it")
    text = "with --web-pubsub: look at the hub with `az`, if it is there and logged in"
    parser.add_argument("--resource-group", metavar="NAME", help=text)
    text = "the Web PubSub resource; also where negotiate cannot be asked for it"
    parser.add_argument("--web-pubsub", metavar="NAME", help=text)
    text = f"how long to wait for an announcement; {LOCAL_PATIENCE:g} here, {PATIENCE:g} elsewhere"
    parser.add_argument("--patience", type=float, metavar="SECONDS", help=text)
    parser.add_argument("--json", action="store_true", help="print the findings in JSON at the end")
