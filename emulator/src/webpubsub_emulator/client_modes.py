"""What the frames of a simple client do, as its URL says. No connection here."""

from dataclasses import dataclass

from webpubsub_emulator.names import is_group_name


@dataclass(frozen=True, slots=True)
class PublishMode:
    """Each frame goes to this group; `no_echo` leaves the sender out."""

    group: str
    no_echo: bool


def read_mode(query: dict[str, list[str]]) -> PublishMode | None:
    """The mode in a client's query (concept-client-protocols); None sends user events.

    Of a repeated key the last value counts. ValueError, with a text for the client, says what
    is wrong.
    """
    mode = _last(query, "webpubsub_mode").lower()
    if mode in ("", "sendevent"):
        return None
    if mode != "sendtogroup":
        raise ValueError("The mode is unknown.")
    group = _last(query, "group")
    if not is_group_name(group):
        raise ValueError("The mode sendToGroup needs a valid group.")
    no_echo = _last(query, "noEcho", "false").lower()
    if no_echo not in ("true", "false"):
        raise ValueError("noEcho must be true or false.")
    return PublishMode(group, no_echo == "true")


def _last(query: dict[str, list[str]], key: str, default: str = "") -> str:
    return query.get(key, [default])[-1]
