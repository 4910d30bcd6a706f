from typing import Any

import pytest

from tests.usher.settings import KEY, make_settings
from usher.door.seal import GROUPS_STATE, SEAL_STATE, Seal
from usher.errors import BadEventError
from usher.settings import Connection
from usher.visits import VISIT

IDENTITY = Connection("https://demo.webpubsub.azure.com", managed_identity=True)
VISIT_ID = "0af7651916cd43dd8448eb211c80319c"
STATE_KEY = "a-made-up-state-key-of-32-bytes!!"
ACCESS_KEY_SEAL = Seal(make_settings())
STATE_KEY_SEAL = Seal(make_settings(connection=IDENTITY, state_key=STATE_KEY))
NO_SEAL = Seal(make_settings(connection=IDENTITY))
SEALS = [ACCESS_KEY_SEAL, STATE_KEY_SEAL]

every_seal = pytest.mark.parametrize("seal", SEALS, ids=["access key", "state key"])


@every_seal
@pytest.mark.parametrize("user_id", ["ana", "Zoë", None])
def test_a_state_is_read_for_its_connection_and_user(seal: Seal, user_id: str | None) -> None:
    """Other keys of the state do not matter."""
    states = seal.write("c-1", user_id, ["a", "b"], VISIT_ID) | {"other": 1}
    assert seal.read("c-1", user_id, states) == ["a", "b"]
    seal.check_new("c-1", user_id, states)


@every_seal
def test_a_state_is_refused_for_another_connection_or_user(seal: Seal) -> None:
    states = seal.write("c-1", "ana", ["a"], VISIT_ID)
    for connection_id, user_id in (("c-2", "ana"), ("c-1", "bo"), ("c-1", None)):
        with pytest.raises(BadEventError, match="seal"):
            seal.read(connection_id, user_id, states)
        with pytest.raises(BadEventError, match="seal"):
            seal.check_new(connection_id, user_id, states)


@every_seal
@pytest.mark.parametrize("groups", [["b"], ["a", "b"], ["b", "a", "c"], ["a,b"]])
def test_a_state_is_refused_with_other_groups(seal: Seal, groups: list[str]) -> None:
    """More, fewer or other groups, or the same in another order."""
    states = seal.write("c-1", "ana", ["b", "a"], VISIT_ID) | {GROUPS_STATE: groups}
    with pytest.raises(BadEventError, match="seal"):
        seal.read("c-1", "ana", states)


@every_seal
@pytest.mark.parametrize("visit", [VISIT_ID[::-1], None, "", 5, ["x"], "\ud800"])
def test_a_state_is_refused_with_another_visit(seal: Seal, visit: object) -> None:
    """So the records of a leave have the visit that `connect` saw."""
    states = seal.write("c-1", "ana", ["a"], VISIT_ID) | {VISIT: visit}
    with pytest.raises(BadEventError, match="seal"):
        seal.read("c-1", "ana", states)


def test_a_state_of_a_version_without_visits_is_read() -> None:
    """Written by the app of 25 November 2026, so that an update announces all leaves."""
    states = {GROUPS_STATE: ["a"], SEAL_STATE: "EQnWXg8A/677XfM3BDFP4oATbDosrKZWvM/dwdQB7+4="}
    assert ACCESS_KEY_SEAL.read("c-1", "ana", states) == ["a"]


@every_seal
@pytest.mark.parametrize("forged", [None, "", 5, ["x"], "é", "\ud800", "A" * 43 + "="])
def test_a_state_is_refused_without_a_valid_seal(seal: Seal, forged: object) -> None:
    with pytest.raises(BadEventError, match="seal"):
        seal.read("c-1", "ana", {GROUPS_STATE: ["a"], SEAL_STATE: forged})
    with pytest.raises(BadEventError, match="seal"):
        seal.read("c-1", "ana", {GROUPS_STATE: ["a"]})


def test_each_secret_makes_another_seal() -> None:
    """The state key wins, so a state survives a new access key."""
    both = Seal(make_settings(state_key=STATE_KEY))
    other = Seal(make_settings(state_key=STATE_KEY[::-1]))
    written = [
        seal.write("c-1", "ana", ["a"], VISIT_ID)[SEAL_STATE]
        for seal in (ACCESS_KEY_SEAL, both, other)
    ]
    assert len({*written}) == 3
    facts = ("c-1", "ana", ["a"], VISIT_ID)
    assert both.write(*facts) == STATE_KEY_SEAL.write(*facts)


def test_the_secret_itself_is_not_kept() -> None:
    """The access key also signs tokens and events, so the seal's key is derived from it."""
    for seal, secret in ((ACCESS_KEY_SEAL, KEY), (STATE_KEY_SEAL, STATE_KEY)):
        assert secret not in f"{vars(seal)} {seal!r}"


def test_without_a_secret_there_is_no_seal() -> None:
    """The policy is then the only check of the groups."""
    written = NO_SEAL.write("c-1", "ana", ["a"], VISIT_ID)
    assert written == {GROUPS_STATE: ["a"], VISIT: VISIT_ID}
    assert NO_SEAL.read("c-1", "ana", {GROUPS_STATE: ["a", "b"], "other": 1}) == ["a", "b"]


@pytest.mark.parametrize("seal", [NO_SEAL, *SEALS])
@pytest.mark.parametrize(
    "groups", [None, [], "lobby", {"lobby": 1}, [1], [" "], [".."], ["a", None]]
)
def test_states_without_valid_groups(seal: Seal, groups: Any) -> None:
    """Such a connection is added to no group."""
    for states in ({GROUPS_STATE: groups}, {GROUPS_STATE: groups, SEAL_STATE: "x"}):
        with pytest.raises(BadEventError):
            seal.read("c-1", "ana", states)


@pytest.mark.parametrize(
    "states", [{"groups": "lobby"}, {"groups": []}, {"other": 1}, {"groups": [".."]}]
)
def test_a_new_connection_has_no_state_or_a_state_from_usher(states: dict[str, Any]) -> None:
    NO_SEAL.check_new("c-1", "ana", {})
    NO_SEAL.check_new("c-1", "ana", {GROUPS_STATE: ["lobby"]})
    with pytest.raises(BadEventError):
        NO_SEAL.check_new("c-1", "ana", states)


def test_the_error_for_a_missing_state_names_a_setting() -> None:
    """The usual cause is an event handler that does not send `connect`."""
    with pytest.raises(BadEventError, match="USHER_SINGLE_GROUP"):
        ACCESS_KEY_SEAL.read("c-1", "ana", {})
