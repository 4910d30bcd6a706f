"""Tests of names.py."""

from webpubsub_emulator.names import is_group_name, is_hub_name


def test_names() -> None:
    """Hub names start with a letter and have no hyphen; group names are anything but blanks."""
    hubs = ("chat", "a`,.[]_9", "a" * 128, "9a", "a-b", "", "a" * 129, "chat\n")
    assert [is_hub_name(name) for name in hubs] == [True] * 3 + [False] * 5
    groups = ("g", "a/b", " x", "*", "g" * 1024, "", " \t", "g" * 1025)
    assert [is_group_name(name) for name in groups] == [True] * 5 + [False] * 3
