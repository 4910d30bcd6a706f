"""What the service answers to requests without an ack id, in any protocol: frozen dataclasses."""

from dataclasses import dataclass

from webpubsub_emulator.messages import Payload


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The app handled an invocation, with data or without."""

    invocation_id: str
    payload: Payload | None


@dataclass(frozen=True, slots=True)
class InvocationError:
    """An invocation failed. Both texts reach the client."""

    invocation_id: str
    name: str
    message: str


ClientResponse = InvocationResult | InvocationError
