import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest

from tests.usher.settings import KEY
from usher.door.callers import Caller
from usher.door.modes import Anonymous
from usher.door.oidc import TokenRefusedError
from usher.errors import SettingsError, TooManyError
from usher.groups.announcements import FORMATS
from usher.groups.event_announcer import EventAnnouncer
from usher.groups.presence_announcer import PresenceAnnouncer
from usher.page import content_security_policy
from usher.parts import Parts
from usher.service.signing import Signer

ROOT = Path(__file__).resolve().parents[2]
ENDPOINT = "https://demo.webpubsub.azure.com"
WITH_KEY = {
    "WebPubSubConnectionString": f"Endpoint={ENDPOINT};AccessKey={KEY};Version=1.0;",
    "WebPubSubHub": "chat",
    "USHER_AUTH": "anonymous",
}
WITH_IDENTITY = {
    "WebPubSubConnectionString__serviceUri": ENDPOINT,
    "WebPubSubHub": "chat",
    "USHER_AUTH": "oidc",
    "USHER_OIDC_ISSUER": "https://login.example",
    "USHER_OIDC_AUDIENCE": "usher",
}
PAGE = "<html><script>1</script></html>"
NAMES = [
    name for name, part in vars(Parts).items() if isinstance(part, (cached_property, property))
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a policy of one rule, for the group `lobby`, and a page."""
    write_policy(tmp_path / "policy.json", "lobby")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "demo.html").write_text(PAGE, "utf-8")
    return tmp_path


def write_policy(file: Path, group: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'{{"rules": [{{"caller": "any", "group": "{group}", "allow": ["join"]}}]}}')


def test_wrong_settings_fail_at_each_use_and_not_before(folder: Path) -> None:
    """So one wrong setting does not take all functions away, and each call reports it."""
    parts = Parts({}, folder)
    for name in NAMES * 2:
        with pytest.raises(SettingsError) as caught:
            getattr(parts, name)
        assert list(caught.value.problems) == ["WebPubSubConnectionString", "WebPubSubHub"]
    with pytest.raises(SettingsError):
        parts.check_settings()


def test_a_wrong_policy_fails_at_use(folder: Path) -> None:
    """The other parts can be used."""
    (folder / "policy.json").write_text("{}")
    parts = Parts(WITH_KEY, folder)
    assert parts.settings.hub == "chat"
    for _ in range(2):
        with pytest.raises(SettingsError, match=r"policy\.json"):
            parts.check_settings()


@pytest.mark.parametrize("environ", [WITH_KEY, WITH_IDENTITY], ids=["key", "identity"])
async def test_each_part_is_made_once(environ: dict[str, str], folder: Path) -> None:
    """The parts of another process, or of another test, are others."""
    parts, others = Parts(environ, folder), Parts(environ, folder)
    for name in [*NAMES, "health", "rosters"]:
        assert getattr(parts, name) is getattr(parts, name)
        assert getattr(parts, name) is not getattr(others, name)
    for opened in (parts, others):
        await opened.pubsub.close()


def test_the_settings_are_read_once(folder: Path) -> None:
    """New settings need a restart."""
    environ = dict(WITH_KEY)
    parts = Parts(environ, folder)
    assert parts.settings.hub == "chat"
    environ["WebPubSubHub"] = "other"
    (folder / "policy.json").write_text("{}")
    assert parts.settings.hub == "chat"


def test_with_an_access_key_the_app_signs_tokens(folder: Path) -> None:
    assert isinstance(Parts(WITH_KEY, folder).minter, Signer)


async def test_with_an_identity_the_service_makes_tokens(folder: Path) -> None:
    parts = Parts(WITH_IDENTITY, folder)
    assert parts.minter is parts.pubsub
    await parts.pubsub.close()


@pytest.mark.parametrize("name", ["policy.json", "rules/policy.json", "elsewhere"])
def test_the_policy_file_is_relative_to_the_folder(name: str, folder: Path) -> None:
    """The current folder, which is the repository, has another policy."""
    write_policy(folder / name, "only-here")
    policy = Parts(WITH_KEY | {"USHER_POLICY_FILE": name}, folder).policy
    assert policy.grant(Caller("ana"), ["only-here"])[0] == ["only-here"]


def test_the_policy_has_the_settings(folder: Path) -> None:
    parts = Parts(WITH_KEY, folder)
    assert parts.policy.settings is parts.settings


async def test_the_gate_has_mode_and_limits_of_the_settings(folder: Path) -> None:
    gate = Parts(WITH_KEY | {"USHER_ADDRESS_LIMIT": "2"}, folder).gate
    assert gate.mode == Anonymous()
    headers = {"x-forwarded-for": "203.0.113.7"}
    for _ in range(2):
        assert (await gate.identify(headers, None)).user_id.startswith("guest-")
    with pytest.raises(TooManyError):
        await gate.identify(headers, None)


async def test_the_gate_verifies_tokens_with_the_identity_provider(folder: Path) -> None:
    """A malformed token is refused before the provider is called."""
    parts = Parts(WITH_IDENTITY, folder)
    with pytest.raises(TokenRefusedError, match="malformed"):
        await parts.gate.identify({"authorization": "Bearer x"}, None)
    provider = parts.identity_provider
    assert (provider._issuer, provider._audience) == ("https://login.example", "usher")


async def test_the_announcer_has_texts_format_and_rate_of_the_settings(folder: Path) -> None:
    changes = {
        "USHER_JOIN_TEXT": "hello {userId}",
        "USHER_LEAVE_TEXT": "",
        "USHER_ANNOUNCEMENT_FORMAT": "json",
        "USHER_DIGEST_ABOVE": "4",
        "USHER_DIGEST_SECONDS": "0.5",
    }
    parts = Parts(WITH_KEY | changes, folder)
    announcer = parts.announcer
    assert isinstance(announcer, EventAnnouncer)
    assert announcer.pubsub is parts.pubsub
    assert announcer.templates == {"connected": "hello {userId}", "disconnected": ""}
    assert announcer.format is FORMATS["json"]
    assert (announcer.digest._interval, announcer.digest._seconds) == (1 / 4, 0.5)
    await parts.pubsub.close()


async def test_the_presence_announcer_has_grace_and_crowd_of_the_settings(folder: Path) -> None:
    """No text turns it off."""
    changes = {
        "USHER_JOIN_TEXT": "",
        "USHER_LEAVE_TEXT": "",
        "USHER_ANNOUNCEMENT_FORMAT": "presence",
        "USHER_LEAVE_GRACE_SECONDS": "1.5",
        "USHER_DIGEST_ABOVE": "4",
    }
    parts = Parts(WITH_KEY | changes, folder)
    announcer = parts.announcer
    assert isinstance(announcer, PresenceAnnouncer)
    assert (announcer._grace, announcer._crowd) == (1.5, 4)
    assert announcer.announces("connected")
    assert announcer.announces("disconnected")
    await parts.pubsub.close()


def test_the_page_has_a_content_security_policy(folder: Path) -> None:
    parts = Parts(WITH_KEY, folder)
    assert parts.page == (PAGE, content_security_policy(PAGE, parts.settings.connection))


SLOW = {"aiohttp", "azure.core", "azure.identity", "azure.messaging", "jwt", "msal"}
NEGOTIATE = """
import os
from pathlib import Path
from usher.parts import Parts
parts = Parts(os.environ, Path())
parts.check_settings(), parts.gate, parts.minter
"""


@pytest.mark.parametrize(
    "code",
    ["import usher.parts", "import function_app", NEGOTIATE],
    ids=["parts", "function_app", "negotiate"],
)
def test_slow_packages_are_imported_on_first_use(code: str) -> None:
    """A cold start, and the first `negotiate` with an access key, need none of them."""
    script = f"{code}\nimport sys; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=ROOT, env=WITH_KEY, capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert "usher.parts" in imported
    assert SLOW.isdisjoint(imported)
