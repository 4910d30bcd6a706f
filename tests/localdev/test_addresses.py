import pytest

from localdev.addresses import is_protected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://usher.azurewebsites.net", True),
        ("wss://usher.webpubsub.azure.com/client", True),
        ("http://127.0.0.1:7071", True),
        ("http://localhost:7071", True),
        ("ws://[::1]:8080", True),
        ("http://usher.azurewebsites.net", False),
        ("ws://usher.webpubsub.azure.com", False),
        ("http://127.0.0.1@evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("ftp://127.0.0.1", False),
        ("https://", False),
        ("http://[::1", False),
        ("nowhere", False),
    ],
)
def test_secrets_go_only_to_this_machine_or_through_tls(url: str, expected: bool) -> None:
    assert is_protected(url) is expected
