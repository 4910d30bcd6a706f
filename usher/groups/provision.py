"""`provision`: the whole workflow in one call of a backend, for a connection that is open."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from usher.errors import ServiceError, UnansweredError
from usher.groups.announcements import FORMATS
from usher.groups.outcomes import EVENT_SECONDS, Outcome, Step
from usher.groups.provision_request import ProvisionRequest
from usher.groups.retries import RetryBudget
from usher.groups.workflow import PubSub, add_connection, send_message
from usher.logs import noted_visit
from usher.service.tokens import Minter, TokenRequest, generate_token

TEXT = FORMATS["text"]


async def provision(
    minter: Minter, pubsub: PubSub, hub: str, request: ProvisionRequest, roles: Sequence[str]
) -> dict[str, Any]:
    """Run the three steps and return the workflow's outputs.

    The token is for `request.user_id`, or for no user. With a user id, only a connection of this
    user is added: Web PubSub itself compares them, and any other connection is unknown.
    Raises ServiceError, whose members say which steps are done.
    """
    group, connection_id, user_id = request.group, request.connection_id, request.user_id
    budget = RetryBudget(asyncio.get_running_loop().time() + EVENT_SECONDS)
    add = Step()
    outcome = Outcome("provision", hub, group, connection_id, user_id, budget, add)
    progress = _Progress(budget.deadline)
    with outcome.recorded():
        async with progress.step("generateToken"):
            wanted = TokenRequest(user_id, [group], roles, request.minutes, noted_visit())
            token = await generate_token(minter, wanted)
        async with progress.step("addConnection"):
            add.status = await add_connection(pubsub, group, connection_id, budget, user_id)
        async with progress.step("announceJoin"):
            body = request.announcement.encode()
            outcome.send.status = await send_message(pubsub, group, body, TEXT, budget)
    return {"token": token.token, "addStatus": add.status, "sendStatus": outcome.send.status}


class _Progress:
    """The steps that are done; `deadline` is by the running loop's clock."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.done: list[str] = []

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """Run a step. Its ServiceError says which steps are done."""
        try:
            async with asyncio.timeout_at(self.deadline):
                yield
        except TimeoutError:
            raise self._describe(
                UnansweredError(f"no result within {EVENT_SECONDS:g} s"), name
            ) from None
        except ServiceError as error:
            raise self._describe(error, name) from error
        self.done.append(name)

    def _describe(self, error: ServiceError, step: str) -> ServiceError:
        members: Mapping[str, Any] = {
            "step": step,
            "serviceStatus": error.answered,
            "serviceCode": error.code,
            "done": list(self.done),
            "mayBeDone": error.may_have_acted,
        }
        return error.copy(may_have_acted=error.may_have_acted, members=members)
