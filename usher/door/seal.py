"""The connection state: the groups that `connect` admitted, and the visit, under a seal.

The service keeps the state and sends it with later events. Its signature of an event does not cover
the state (CloudEvents extension of Web PubSub, "Signature"), so the app seals it.
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from usher.errors import BadEventError
from usher.names import is_group_name
from usher.settings import Settings
from usher.visits import VISIT

# The keys of the state.
GROUPS_STATE, SEAL_STATE = "groups", "seal"
# What the key is derived for, so that no other use of the secret gives the same digest.
PURPOSE = b"usher: seal of the connection state"


class Seal:
    """Writes states, and reads those that it wrote for the same connection and user.

    The seal is an HMAC-SHA256 over connection id, user id, groups and visit. Its key is derived
    from the state key or, without one, from the access key. Without both there is no seal.
    """

    def __init__(self, settings: Settings) -> None:
        secret = settings.state_key or settings.connection.access_key
        self._key = hmac.digest(secret.encode(), PURPOSE, "sha256") if secret else None

    def write(
        self, connection_id: str, user_id: str | None, groups: Sequence[str], visit: str
    ) -> dict[str, Any]:
        """Return the state of a connection that is admitted to these groups."""
        seal = self._compute(connection_id, user_id, groups, visit)
        return {GROUPS_STATE: list(groups), VISIT: visit} | ({SEAL_STATE: seal} if seal else {})

    def read(self, connection_id: str, user_id: str | None, states: Mapping[str, Any]) -> list[str]:
        """Return the groups that `connect` admitted the connection to. Raises BadEventError."""
        if not states.get(GROUPS_STATE):
            raise BadEventError(
                "The connection has no state from `connect`. Does the hub's event handler send the "
                "connect event? If it should not, set USHER_SINGLE_GROUP."
            )
        groups = _read_groups(states[GROUPS_STATE])
        seal = self._compute(connection_id, user_id, groups, states.get(VISIT))
        if seal and not hmac.compare_digest(seal.encode(), _read_seal(states)):
            raise BadEventError("The connection state has no seal of this app.")
        return groups

    def check_new(self, connection_id: str, user_id: str | None, states: Mapping[str, Any]) -> None:
        """Raise BadEventError if a new connection has a state that this app did not write."""
        if states:
            self.read(connection_id, user_id, states)

    def _compute(
        self, connection_id: str, user_id: str | None, groups: Sequence[str], visit: object
    ) -> str:
        if self._key is None:
            return ""
        # States of a version before visits have none.
        facts = [connection_id, user_id, list(groups), *([] if visit is None else [visit])]
        text = json.dumps(facts)
        return b64encode(hmac.digest(self._key, text.encode(), "sha256")).decode()


def _read_groups(groups: Any) -> list[str]:
    is_list = isinstance(groups, list) and all(isinstance(group, str) for group in groups)
    if not is_list or not all(map(is_group_name, groups)):
        raise BadEventError("The connection state was not written by Usher.")
    return list(groups)


def _read_seal(states: Mapping[str, Any]) -> bytes:
    seal = states.get(SEAL_STATE)
    return seal.encode("utf-8", "replace") if isinstance(seal, str) else b""
