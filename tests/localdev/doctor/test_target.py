"""Tests of localdev/doctor/target.py."""

import argparse

import pytest

from localdev.doctor.target import DoctorError, add_doctor_options, read_target


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_doctor_options(parser)
    return parser.parse_args(arguments)


def test_the_default_is_the_app_on_this_machine() -> None:
    target = read_target(options(), {})
    assert (target.app, target.is_local, target.wait_seconds) == ("http://127.0.0.1:7071", True, 8)


def test_a_deployment() -> None:
    """Secrets come from the named variables and are not shown."""
    names = ("--key", "--function-key", "--bearer", "--access-key")
    arguments = [part for name in names for part in (f"{name}-from-env", name.strip("-"))]
    environ = {name.strip("-"): f"secret of {name} " for name in names}
    url = ("--app", "https://usher.azurewebsites.net/", "--origin", "https://www.example.com/")
    target = read_target(options(*url, *arguments), environ)
    assert (target.app, target.is_local) == ("https://usher.azurewebsites.net", False)
    assert (target.origins, target.wait_seconds) == (("https://www.example.com",), 15)
    assert (target.system_key, target.bearer) == ("secret of --key", "secret of --bearer")
    assert "secret" not in repr(target)


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ("http://usher.azurewebsites.net", "would send keys unencrypted"),
        ("usher.azurewebsites.net", "must have the form https://NAME"),
        ("https://usher.azurewebsites.net/api", "must have the form https://NAME"),
        ("https:///api", "must have the form https://NAME"),
    ],
)
def test_an_address_that_is_rejected(app: str, reason: str) -> None:
    with pytest.raises(DoctorError, match=reason):
        read_target(options("--app", app), {})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--patience", value) for value in ("0", "-1", "nan", "inf")),
        *(
            ("--origin", value)
            for value in ("foo", "https://", "https://a.example/page", "ftp://a")
        ),
    ],
)
def test_a_value_that_would_examine_something_else(option: str, value: str) -> None:
    """No time and a text that is no origin are refused, not replaced or ignored."""
    with pytest.raises(DoctorError, match=option):
        read_target(options(f"{option}={value}"), {})


def test_an_empty_variable_is_an_error() -> None:
    """Otherwise the doctor would call a deployment's webhook without the key."""
    with pytest.raises(DoctorError, match="KEY is not set"):
        read_target(options("--key-from-env", "KEY"), {"KEY": ""})
