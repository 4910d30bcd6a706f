"""The parts of the app and how they fit together: the composition root."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usher.door.gate import Gate
from usher.door.limits import Limits
from usher.door.policy import Policy
from usher.door.policy_file import read_rules
from usher.groups.announcements import FORMATS
from usher.groups.digest import Digest
from usher.groups.event_announcer import EventAnnouncer
from usher.groups.roster import Rosters
from usher.groups.workflow import Announcer
from usher.page import content_security_policy
from usher.service.health import Health
from usher.service.signing import Signer
from usher.service.tokens import Minter
from usher.settings import PRESENCE, Settings, StoreSettings
from usher.store.bans import Bans

if TYPE_CHECKING:
    from usher.door.oidc import OidcProvider
    from usher.groups.removals import Remover
    from usher.service.pubsub import AzurePubSub
    from usher.store.entries import Store


class Parts:
    """The parts of one process, each made on first use.

    So wrong settings are answered by the functions. If they failed the import, the host would have
    no functions at all. Nothing changes the parts later: new settings need a restart.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self.folder = folder
        self.health = Health()
        self.rosters = Rosters()

    @cached_property
    def settings(self) -> Settings:
        """The settings. Raises SettingsError."""
        return Settings.from_environ(self._environ)

    @cached_property
    def policy(self) -> Policy:
        """The policy. Raises SettingsError."""
        return Policy(self.settings, read_rules(self.folder / self.settings.policy_file))

    def check_settings(self) -> None:
        """Raise SettingsError if the settings or the policy are wrong."""
        _ = self.policy

    @cached_property
    def gate(self) -> Gate:
        """Identifies callers within the rate limits."""
        return Gate(self.settings.mode, self.limits, self._verify_token)

    @cached_property
    def limits(self) -> Limits:
        """The limits of this instance."""
        return Limits(self.settings)

    @cached_property
    def pubsub(self) -> "AzurePubSub":
        """The calls of Web PubSub, made with the official SDK."""
        # Imported on first use, because the SDK takes longer than everything else.
        from usher.service.pubsub import AzurePubSub

        return AzurePubSub(self.settings)

    @cached_property
    def bans(self) -> Bans:
        """The removals that are in force."""
        return Bans(_make_store(self.settings.store, self.folder), self.settings)

    @cached_property
    def remover(self) -> "Remover":
        """Ends connections and memberships of users who were removed."""
        # Imported on first use: negotiate never needs it.
        from usher.groups.removals import Remover

        return Remover(self.pubsub, self.announcer, self.bans, self.settings.hub)

    @cached_property
    def minter(self) -> Minter:
        """The maker of tokens: with an access key the app itself, otherwise the service."""
        return Signer(self.settings) if self.settings.connection.access_key else self.pubsub

    @cached_property
    def announcer(self) -> Announcer:
        """The announcer of joins and leaves, by the format."""
        settings = self.settings
        if settings.announcement_format == PRESENCE:
            return self._make_presence_announcer()
        templates = {"connected": settings.join_text, "disconnected": settings.leave_text}
        digest = Digest(settings.digest_above, settings.digest_seconds)
        return EventAnnouncer(self.pubsub, FORMATS[settings.announcement_format], templates, digest)

    def _make_presence_announcer(self) -> Announcer:
        # Imported on first use, because only one format needs it.
        from usher.groups.presence_announcer import PresenceAnnouncer

        settings = self.settings
        return PresenceAnnouncer(self.pubsub, settings.leave_grace, settings.digest_above)

    @cached_property
    def identity_provider(self) -> "OidcProvider":
        """The OpenID Connect provider."""
        # Imported on first use, because only one mode needs it.
        from usher.door.oidc import OidcProvider

        settings = self.settings
        return OidcProvider(settings.oidc_issuer, settings.oidc_audience, settings.oidc_clients)

    @cached_property
    def page(self) -> tuple[str, str]:
        """The demo page and its Content-Security-Policy."""
        html = (self.folder / "web" / "demo.html").read_text("utf-8")
        return html, content_security_policy(html, self.settings.connection)

    async def _verify_token(self, token: str) -> Mapping[str, Any]:
        return await self.identity_provider.verify(token)


def _make_store(settings: StoreSettings, folder: Path) -> "Store | None":
    """Return the store of the bans, None if bans are off."""
    # Imported on first use: negotiate does not pay for a store that is not in use.
    if settings.kind == "table":
        from usher.store.table import TableStore

        return TableStore(settings)
    if settings.kind == "sqlite":
        from usher.store.sqlite import SqliteStore

        return SqliteStore(folder / settings.file)
    return None
