"""Tests of localdev/doctor/target.py."""

import argparse

import pytest

from localdev.doctor.arguments import add_doctor_options
from localdev.doctor.target import DoctorError, read_target


def options(*arguments: str) -> argparse.Namespace:
    """Those of a command line."""
    parser = argparse.ArgumentParser()
    add_doctor_options(parser)
    return parser.parse_args(arguments)


def test_this_machine() -> None:
    """Where no app is named."""
    target = read_target(options(), {})
    assert (target.app, target.is_local, target.patience) == ("http://127.0.0.1:7071", True, 8)


def test_a_deployment() -> None:
    """Secrets come from the variables that are named, and are not in what is shown."""
    names = ("--key", "--function-key", "--bearer", "--access-key")
    arguments = [part for name in names for part in (f"{name}-from-env", name.strip("-"))]
    environ = {name.strip("-"): f"secret of {name} " for name in names}
    url = ("--app", "https://usher.azurewebsites.net/", "--origin", "https://www.example.com/")
    target = read_target(options(*url, *arguments), environ)
    assert (target.app, target.is_local) == ("https://usher.azurewebsites.net", False)
    assert (target.origins, target.patience) == (("https://www.example.com",), 15)
    assert (target.system_key, target.bearer) == ("secret of --key", "secret of --bearer")
    assert "secret" not in repr(target)


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("http://usher.azurewebsites.net", "over which no key may travel"),
        ("usher.azurewebsites.net", "must be of the form https://NAME"),
        ("https://usher.azurewebsites.net/api", "must be of the form https://NAME"),
        ("https:///api", "must be of the form https://NAME"),
    ],
)
def test_an_address_that_will_not_do(app: str, told: str) -> None:
    """What is no app, or would be sent a key in the clear."""
    with pytest.raises(DoctorError, match=told):
        read_target(options("--app", app), {})


def test_an_empty_variable() -> None:
    """Is as good as none: a deployment's webhook would be tried without its key."""
    with pytest.raises(DoctorError, match="KEY is not set"):
        read_target(options("--key-from-env", "KEY"), {"KEY": ""})
