"""Announcements of events, as text or JSON: each join and leave, or a summary of several."""

from collections.abc import Mapping
from datetime import UTC, datetime

from usher.groups.announcements import Announcement, Format, hash_id, write_text
from usher.groups.digest import Digest
from usher.groups.events import ConnectionEvent
from usher.groups.outcomes import Outcome
from usher.groups.workflow import PubSub, send_message

ANNOUNCEMENT_TYPES = {"connected": "joined", "disconnected": "left"}


class EventAnnouncer:
    """Announces each join and leave. `templates` has the text of each event, empty for none."""

    def __init__(
        self, pubsub: PubSub, message_format: Format, templates: Mapping[str, str], digest: Digest
    ) -> None:
        self.pubsub, self.format, self.templates, self.digest = (
            pubsub,
            message_format,
            templates,
            digest,
        )

    def announces(self, event_name: str) -> bool:
        """Return whether events of this name have a text."""
        return bool(self.templates[event_name])

    async def announce(self, event: ConnectionEvent, outcome: Outcome) -> None:
        """Send the announcement of the event, or a summary of several, or nothing."""
        template = self.templates[event.name]
        announcement = announcement_of(event, outcome.group, template)
        collected = await self.digest.collect(announcement) if announcement.text else []
        outcome.announced = len(collected)
        if collected:
            body = self.format.write(collected, template)
            with outcome.send.timed():
                outcome.send.status = await send_message(
                    self.pubsub, outcome.group, body, self.format, outcome.budget
                )


def announcement_of(event: ConnectionEvent, group: str, template: str) -> Announcement:
    """Return the announcement of an event to a group; its text is empty if the template is."""
    # Hashed, because a connection id is only for callers of the service.
    event_id = hash_id([event.connection_id, group, event.name, event.event_id])
    text = write_text(template, event.user_id, group)
    at = event.time or datetime.now(UTC)
    return Announcement(ANNOUNCEMENT_TYPES[event.name], event_id, group, event.user_id, text, at)
