"""Values and helpers for several test files."""

from webpubsub_emulator.client_modes import PublishMode
from webpubsub_emulator.effects import Effect, Notify, Send
from webpubsub_emulator.events import ConnectAnswer, Handshake
from webpubsub_emulator.hub import Hub

JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"


def handshake(
    connection_id: str = "c1",
    *,
    user_id: str | None = "ann",
    roles: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    subprotocols: tuple[str, ...] = (JSON,),
) -> Handshake:
    return Handshake(connection_id, user_id, roles, groups, subprotocols, {}, {}, {})


def enter(
    hub: Hub,
    opening: Handshake,
    answer: ConnectAnswer | None = None,
    mode: PublishMode | None = None,
) -> list[Effect]:
    """Let a client in and return the effects of its opening."""
    hub.client_arrived(opening, mode)
    return hub.client_opened(opening.connection_id, answer or ConnectAnswer(), "token")


def sent_to(connection_id: str, effects: list[Effect]) -> list[str]:
    """Return the texts that a client is sent, in their order."""
    return [
        effect.frame.data.decode()
        for effect in effects
        if isinstance(effect, Send) and effect.connection_id == connection_id
    ]


def notified(effects: list[Effect]) -> list[tuple[str, bytes]]:
    """Return names and bodies of the events whose answers have no effect."""
    return [
        (effect.event.name, effect.event.payload.content)
        for effect in effects
        if isinstance(effect, Notify)
    ]
