"""The settings of a hub that are not event handlers, and their JSON form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

POLICIES = ("allow", "deny")
HUB_KEYS = ("anonymousConnectPolicy", "webSocketKeepAliveIntervalInSeconds")
KEEP_ALIVE_SECONDS_MAX = 120


@dataclass(frozen=True, slots=True)
class HubSettings:
    """What the ARM resource of a hub sets. Raises ValueError if a value is invalid.

    Names, values and defaults are the ones of Microsoft.SignalRService/webPubSub/hubs.
    """

    anonymous_connect_policy: str = "deny"  # whether clients without a token are accepted
    keep_alive_seconds: int = 20  # webSocketKeepAliveIntervalInSeconds, between WebSocket pings

    def __post_init__(self) -> None:
        if self.anonymous_connect_policy.lower() not in POLICIES:
            raise ValueError("The anonymous connect policy must be allow or deny.")
        if not 1 <= self.keep_alive_seconds <= KEEP_ALIVE_SECONDS_MAX:
            text = f"The keep-alive interval must be 1 to {KEEP_ALIVE_SECONDS_MAX} seconds."
            raise ValueError(text)

    @property
    def allows_anonymous(self) -> bool:
        """Whether a client needs no token."""
        return self.anonymous_connect_policy.lower() == "allow"


DEFAULTS = HubSettings()
# By the hub's name in lower case. Hubs that are missing have the defaults.
AllHubSettings: TypeAlias = Mapping[str, HubSettings]
NO_SETTINGS: AllHubSettings = {}


def settings_of(settings: AllHubSettings, hub: str) -> HubSettings:
    """Return the settings of a hub, whose name may be in any case."""
    return settings.get(hub.lower(), DEFAULTS)


def read_hub_settings(hub: Mapping[str, Any]) -> HubSettings:
    """Return the settings in the JSON form of a hub. Raises ValueError."""
    policy = hub.get("anonymousConnectPolicy", DEFAULTS.anonymous_connect_policy)
    seconds = hub.get("webSocketKeepAliveIntervalInSeconds", DEFAULTS.keep_alive_seconds)
    if not isinstance(policy, str):
        raise ValueError("anonymousConnectPolicy: Must be a string.")
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise ValueError("webSocketKeepAliveIntervalInSeconds: Must be a whole number.")
    return HubSettings(policy, seconds)
