"""What the group is told when somebody comes or goes."""

LONGEST_TEXT = 1024  # characters


def write_announcement(template: str, user_id: str | None, group: str) -> str:
    """The text for one group, from a template that the settings have checked; may be empty.

    It is one line: whatever is no printable character is left out of the names.
    """
    # A connection whose token names no user has no better name than this.
    text = template.format(userId=_printable(user_id or "somebody"), group=_printable(group))
    return text[:LONGEST_TEXT]


def _printable(name: str) -> str:
    return "".join(filter(str.isprintable, name))
