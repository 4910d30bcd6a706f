"""Tests of localdev/emulator/permissions.py."""

import pytest

from localdev.emulator.permissions import Action, Permissions


@pytest.mark.parametrize(
    ("role", "action", "group", "allowed"),
    [
        ("webpubsub.joinLeaveGroup", "joinLeaveGroup", "any", True),
        ("webpubsub.joinLeaveGroup", "sendToGroup", "any", False),
        ("webpubsub.sendToGroup.a", "sendToGroup", "a", True),
        ("webpubsub.sendToGroup.a", "sendToGroup", "A", False),
        ("webpubsub.sendToGroup.a", "joinLeaveGroup", "a", False),
        ("webpubsub.sendToGroup.*", "sendToGroup", "a", False),
        ("webpubsub.sendToGroup.*", "sendToGroup", "*", True),
        ("webpubsub.sendToGroup.a.b", "sendToGroup", "a.b", True),
        ("", "sendToGroup", "a", False),
    ],
)
def test_roles(role: str, action: Action, group: str, allowed: bool) -> None:
    """A bare role opens every group, a longer one exactly the group that it names."""
    assert Permissions.from_roles([role]).allow(action, group) is allowed
