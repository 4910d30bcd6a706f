"""The mode in the URL of a simple client, which says what the client's frames do."""

from dataclasses import dataclass

from webpubsub_emulator.names import is_group_name


@dataclass(frozen=True, slots=True)
class PublishMode:
    """Each frame goes to this group; with `no_echo` the sender does not get its own frames."""

    group: str
    no_echo: bool


def read_mode(query: dict[str, list[str]]) -> PublishMode | None:
    """Return the mode in a client's query (concept-client-protocols); None sends user events.

    The last value of a repeated key counts. Raises ValueError with a text for the client.
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
