from usher.announcements import write_announcement


def test_names_are_filled_in_and_not_read_again() -> None:
    """A name that looks like a template stays as it is."""
    assert write_announcement("{userId} joined {group}!", "{group}", "a") == "{group} joined a!"


def test_a_connection_without_a_user() -> None:
    """Tokens that were not minted here may have none."""
    assert write_announcement("{userId} joined", None, "a") == "somebody joined"
