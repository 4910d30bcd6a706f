"""Settings for tests."""

from usher.door.modes import MODES, NoMode
from usher.settings import Connection, Settings

KEY = "a-made-up-access-key-of-32-bytes!"


def make_settings(
    mode: str | None = "local",
    user_claim: str | None = None,
    has_platform_auth: bool = False,
    provider: str | None = None,
    **changes: object,
) -> Settings:
    """Return settings with an access key and the hub `chat`; `changes` are fields of Settings."""
    mode_type = NoMode if mode is None else MODES[mode]
    fields: dict[str, object] = {
        "connection": Connection("https://demo.webpubsub.azure.com", access_key=KEY),
        "hub": "chat",
        "mode": mode_type(user_claim, has_platform_auth, provider),
    }
    return Settings(**(fields | changes))  # type: ignore[arg-type]  # the tests pass what fits
