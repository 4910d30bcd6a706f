from usher.announcements import write_announcement


def test_names_are_filled_in_and_not_read_again() -> None:
    """A name that looks like a template stays as it is."""
    assert write_announcement("{userId} joined {group}!", "{group}", "a") == "{group} joined a!"


def test_names_become_one_printable_line() -> None:
    """No line breaks, control characters or direction marks; spaces and all scripts stay."""
    assert (
        write_announcement("{userId} joined {group}", "a\nb\x00 ñ\u202e", "g\r") == "ab ñ joined g"
    )


def test_long_texts_are_cut() -> None:
    """A name may be long, what everybody is told may not."""
    assert len(write_announcement("{userId}", "a" * 5000, "g")) == 1024


def test_a_connection_without_a_user() -> None:
    """Tokens that were not minted here may have none."""
    assert write_announcement("{userId} joined", None, "a") == "somebody joined"
