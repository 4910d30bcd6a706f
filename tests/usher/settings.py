"""Settings for tests that need some."""

from usher.settings import Connection, Settings

KEY = "a-made-up-access-key-of-32-bytes!"


def make_settings(**changes: object) -> Settings:
    """Key mode, hub `chat`, mode `local`; `changes` are fields of Settings."""
    fields: dict[str, object] = {
        "connection": Connection("https://demo.webpubsub.azure.com", access_key=KEY),
        "hub": "chat",
        "auth": "local",
    }
    return Settings(**(fields | changes))  # type: ignore[arg-type]  # the tests give what fits
