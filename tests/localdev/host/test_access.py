"""access.py: connections from settings, origins and signatures."""

import pytest

from localdev.host.access import (
    ServiceAccess,
    is_allowed_origin,
    is_valid_signature,
    read_accesses,
)
from localdev.host.errors import StartError

KEY = "7aab239577fd4f24bc919802fb629f5f"
CONNECTION_ID = "0f9c97a2f0bf4706afe87a14e0797b11"
SIGNATURE = "sha256=7767effcb3946f3e1de039df4b986ef02c110b1469d02c0a06f41b3b727ab561"
KEYED = ServiceAccess("keyed.example", KEY)
OTHER_KEY = ServiceAccess("other.example", "other")
IDENTITY = ServiceAccess("identity.example")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (f"Endpoint=https://Keyed.Example/;AccessKey={KEY};Version=1.0;", KEYED),
        (f"accesskey={KEY} ; ENDPOINT = http://keyed.example:8080;nonsense", KEYED),
        ("Endpoint=identity.example;Port=8080", IDENTITY),
        ("Endpoint=https://identity.example/a/path", IDENTITY),
    ],
)
def test_connection_string(setting: str, expected: ServiceAccess) -> None:
    """A connection string gives the host and the key; property names ignore case."""
    assert read_accesses([], {"WebPubSubConnectionString": setting}) == (expected,)


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("AccessKey=secret", "has no Endpoint"),
        ('"Endpoint=http://a;AccessKey=secret"', "has no Endpoint"),
        ("Endpoint=http://a;AccessKey=secret;endpoint=http://b", "names a property twice"),
        ("Endpoint=http://a;AccessKey=secret;Port=0", "has an invalid Port"),
        ("Endpoint=http://;AccessKey=secret", "is not a URL"),
        ("Endpoint=http://[;AccessKey=secret", "is not a URL"),
    ],
)
def test_bad_connection_string(setting: str, fault: str) -> None:
    """A wrong connection string is an error that names the setting and never its value."""
    with pytest.raises(StartError, match=f"'Custom' .*{fault}") as caught:
        read_accesses(["Custom"], {"Custom": setting})
    assert "secret" not in str(caught.value)


def test_identity() -> None:
    """A service URI is a connection without a key; a connection string wins over it."""
    environ = {"WebPubSubConnectionString__serviceUri": "https://identity.example"}
    assert read_accesses([], environ) == (IDENTITY,)
    environ["WebPubSubConnectionString"] = f"Endpoint=https://keyed.example;AccessKey={KEY}"
    assert read_accesses([], environ) == (KEYED,)


def test_named_connections_replace_the_default() -> None:
    """A function's own connections count instead of the default."""
    environ = {
        "WebPubSubConnectionString": "Endpoint=http://default.example",
        "A": "Endpoint=http://identity.example",
        "B:serviceUri": "http://other.example",
    }
    accesses = read_accesses(["A", "B"], environ)
    assert [access.host for access in accesses] == ["identity.example", "other.example"]


def test_missing_connections() -> None:
    """Without the default nothing is checked; a named connection must exist, but may be empty."""
    assert read_accesses([], {}) == read_accesses(["A"], {"A": ""}) == ()
    with pytest.raises(StartError, match="'A' has no app setting"):
        read_accesses(["A"], {})


def test_key_is_not_in_the_repr() -> None:
    """The repr of a connection does not show its key."""
    assert KEY not in repr(KEYED)


@pytest.mark.parametrize(
    ("accesses", "origins", "allowed"),
    [
        ([], ["any.example"], True),
        ([KEYED, IDENTITY], ["no.example", "identity.example"], True),
        ([KEYED], ["no.example"], False),
        ([KEYED], ["Keyed.Example"], False),
        ([KEYED], [], False),
    ],
)
def test_origins(accesses: list[ServiceAccess], origins: list[str], allowed: bool) -> None:
    """One known host is enough, in lower case; without connections every host may call."""
    assert is_allowed_origin(accesses, origins) is allowed


@pytest.mark.parametrize(
    ("accesses", "origin", "signature", "valid"),
    [
        ([], "any.example", None, True),
        ([KEYED], "keyed.example", SIGNATURE, True),
        ([KEYED], "keyed.example", f"sha256=00, {SIGNATURE.upper()}", True),
        ([KEYED], "no.example keyed.example", SIGNATURE, True),
        ([KEYED], "keyed.example", SIGNATURE.removeprefix("sha256="), False),
        ([KEYED], "keyed.example", "sha256=ü", False),
        ([KEYED], "keyed.example", None, False),
        ([KEYED], "no.example", SIGNATURE, False),
        ([IDENTITY], "identity.example", None, True),
        ([IDENTITY], "no.example", None, False),
        ([KEYED, OTHER_KEY], "other.example,keyed.example", SIGNATURE, False),
        ([KEYED, IDENTITY], "identity.example,keyed.example", None, True),
        ([KEYED, ServiceAccess("keyed.example", "second")], "keyed.example", SIGNATURE, True),
    ],
)
def test_signatures(
    accesses: list[ServiceAccess], origin: str, signature: str | None, valid: bool
) -> None:
    """The first known origin decides: its key must have signed; without a key all is accepted."""
    assert is_valid_signature(accesses, origin, signature, CONNECTION_ID) is valid
