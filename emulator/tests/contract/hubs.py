"""The hubs whose events go to the tests, and the settings of these and of other hubs."""

from dataclasses import dataclass, field
from typing import Any

EVERYTHING = {"systemEvents": ["connect", "connected", "disconnected"], "userEventPattern": "*"}
MEMBERSHIPS: dict[str, Any] = {"eventNames": ["joined", "left"], "groupFilters": None}


@dataclass(frozen=True, slots=True)
class FreeHubs:
    """Hubs that no test has used yet, because a test takes a hub of its own."""

    everything: list[str] = field(default_factory=lambda: [f"handled{n}" for n in range(200)])
    memberships: list[str] = field(default_factory=lambda: [f"memberships{n}" for n in range(20)])

    def take(self, kind: str) -> str:
        """Return a hub of a kind, which is a name of a field, or of a hub with a single test."""
        hubs: list[str] | None = getattr(self, kind, None)
        return kind if hubs is None else hubs.pop(0)


def event_handlers(hooks: str) -> dict[str, Any]:
    """Return the settings of all hubs, as of the ARM resource. `hooks` is the tests' URL."""
    url = f"{hooks}/{{hub}}/"
    free = FreeHubs()
    hubs: dict[str, list[dict[str, Any]]] = {
        "shared": [
            {
                "urlTemplate": f"{url}one-{{event}}",
                "systemEvents": ["connect", "disconnected"],
                "userEventPattern": "A, connected",
            },
            {"urlTemplate": f"{url}two-{{event}}"} | EVERYTHING,
        ],
        "narrow": [{"urlTemplate": f"{url}{{event}}", "userEventPattern": "other"}],
        "filtered": [
            {
                "urlTemplate": f"{url}one-{{event}}",
                "groupPresenceEvents": {
                    "eventNames": ["joined"],
                    "groupFilters": ["lobby", "room.*"],
                },
            },
            {"urlTemplate": f"{url}two-{{event}}", "groupPresenceEvents": MEMBERSHIPS},
        ],
    }
    for hub in free.everything:
        hubs[hub] = [{"urlTemplate": f"{url}{{event}}?code=c0de"} | EVERYTHING]
    for hub in free.memberships:
        hubs[hub] = [{"urlTemplate": f"{url}{{event}}", "groupPresenceEvents": MEMBERSHIPS}]
    settings: dict[str, Any] = {hub: {"eventHandlers": handlers} for hub, handlers in hubs.items()}
    settings["anonymous"] = {"anonymousConnectPolicy": "allow"}
    settings["pinged"] = {"webSocketKeepAliveIntervalInSeconds": 1}
    return {"hubs": settings}
