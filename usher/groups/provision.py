"""The whole workflow in one call, for a backend: the three steps in order, or how far they went."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from usher.errors import ServiceError, UnansweredError
from usher.groups.provision_request import ProvisionRequest
from usher.groups.retries import Patience
from usher.groups.workflow import (
    EVENT_SECONDS,
    PubSub,
    add_connection,
    announce,
    generate_token,
    record_outcome,
)
from usher.service.tokens import TokenRequest


async def provision(
    pubsub: PubSub, hub: str, request: ProvisionRequest, roles: Sequence[str]
) -> dict[str, Any]:
    """The workflow's outputs. Raises ServiceError, whose members say what had been done.

    The token is of `request.user_id`, or of nobody. Where a user is named, only a connection of
    that user is added, by the service's own record; another's is answered as an unknown one.
    """
    group, connection_id, user_id = request.group, request.connection_id, request.user_id
    wanted = TokenRequest(user_id, [group], roles, request.minutes)
    deadline = asyncio.get_running_loop().time() + EVENT_SECONDS
    facts = {
        **{"hub": hub, "group": group, "connectionId": connection_id, "userId": user_id},
        **{"retries": 0, "addStatus": None, "sendStatus": None},
    }
    done: list[str] = []
    with record_outcome("provision", facts) as outcome:
        patience = Patience(deadline, outcome)
        async with _step("generateToken", done, deadline):
            token = await generate_token(pubsub, wanted)
        async with _step("addConnection", done, deadline):
            add_status = await add_connection(pubsub, group, connection_id, patience, user_id)
            outcome["addStatus"] = add_status
        async with _step("announceJoin", done, deadline):
            send_status = await announce(pubsub, group, request.announcement, patience)
            outcome["sendStatus"] = send_status
    return {"token": token.token, "addStatus": add_status, "sendStatus": send_status}


@asynccontextmanager
async def _step(name: str, done: list[str], deadline: float) -> AsyncIterator[None]:
    """Notes the step as done, or puts into its error how far the workflow went."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        late = UnansweredError(f"no answer within {EVENT_SECONDS:g} s")
        _note_progress(late, name, done)
        raise late from None
    except ServiceError as error:
        _note_progress(error, name, done)
        raise
    done.append(name)


def _note_progress(error: ServiceError, step: str, done: Sequence[str]) -> None:
    error.members = {
        "step": step,
        "serviceStatus": error.answered,
        "serviceCode": error.code,
        "done": list(done),
        "mayBeDone": error.may_have_acted,
    }
