"""What the group is told when somebody comes or goes."""


def write_announcement(template: str, user_id: str | None, group: str) -> str:
    """The text for one group, from a template that the settings have checked; may be empty."""
    # A connection whose token names no user has no better name than this.
    return template.format(userId=user_id or "somebody", group=group)
