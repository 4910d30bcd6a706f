"""`provision`: the whole workflow in one call of a backend, for a connection that is open.

With an idempotency key, a repeated call announces nothing: at most one message is sent.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from usher.errors import (
    ServiceError,
    StoreError,
    ThrottledError,
    UnansweredError,
    UsherError,
)
from usher.groups.announcements import FORMATS
from usher.groups.idempotency import SCOPE_HEADER, Calls
from usher.groups.outcomes import EVENT_SECONDS, Outcome, Step
from usher.groups.provision_request import ProvisionRequest
from usher.groups.retries import RetryBudget
from usher.groups.workflow import PubSub, add_connection, send_message
from usher.logs import log_record, noted_visit
from usher.service.tokens import ClientToken, Minter, TokenRequest, generate_token

TEXT = FORMATS["text"]
ANNOUNCE = "announceJoin"
# The errors with which the announcement can fail, by their problem type.
FAILURES = {error.kind: error for error in (ServiceError, ThrottledError, UnansweredError)}

type Outputs = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Provisioner:
    """Runs the workflow for a hub."""

    minter: Minter
    pubsub: PubSub
    calls: Calls
    hub: str

    async def run(
        self, request: ProvisionRequest, roles: Sequence[str], key: str | None
    ) -> tuple[Outputs, Mapping[str, str]]:
        """Return the workflow's outputs and the headers of the answer.

        With a key, a repeated call gets the statuses or the failure of the first one. Raises as
        `provision` and `Calls.begin`, with the same headers.
        """
        if key is None:
            return await self._provision(request, roles), {}
        headers = {SCOPE_HEADER: self.calls.scope}
        try:
            first = await self.calls.begin(key, request)
            if first is not None:
                return await self._repeat(request, roles, first), headers
            return await self._begin(request, roles, key), headers
        except UsherError as error:
            error.headers = {**error.headers, **headers}
            raise

    async def _provision(self, request: ProvisionRequest, roles: Sequence[str]) -> Outputs:
        return await provision(self.minter, self.pubsub, self.hub, request, roles)

    async def _begin(self, request: ProvisionRequest, roles: Sequence[str], key: str) -> Outputs:
        try:
            outputs = await self._provision(request, roles)
        except ServiceError as error:
            is_sent = error.members["step"] == ANNOUNCE and error.may_have_acted
            await self._end(key, _describe_failure(error) if is_sent else None)
            raise
        await self._end(key, {name: outputs[name] for name in ("addStatus", "sendStatus")})
        return outputs

    async def _end(self, key: str, outcome: Mapping[str, Any] | None) -> None:
        try:
            await self.calls.end(key, outcome)
        except StoreError as error:  # the steps are done, so the caller must know
            log_record("store", logging.ERROR, failure=str(error))

    async def _repeat(
        self, request: ProvisionRequest, roles: Sequence[str], first: Mapping[str, Any]
    ) -> Outputs:
        log_record("provision-repeated", hub=self.hub, group=request.group, userId=request.user_id)
        if "failure" in first:
            raise _read_failure(first["failure"])
        progress = _Progress(asyncio.get_running_loop().time() + EVENT_SECONDS)
        async with progress.step("generateToken"):
            token = await _issue(self.minter, request, roles)
        return {"token": token.token, **first}


async def provision(
    minter: Minter, pubsub: PubSub, hub: str, request: ProvisionRequest, roles: Sequence[str]
) -> Outputs:
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
            token = await _issue(minter, request, roles)
        async with progress.step("addConnection"):
            add.status = await add_connection(pubsub, group, connection_id, budget, user_id)
        async with progress.step(ANNOUNCE):
            body = request.announcement.encode()
            outcome.send.status = await send_message(pubsub, group, body, TEXT, budget)
    return {"token": token.token, "addStatus": add.status, "sendStatus": outcome.send.status}


async def _issue(minter: Minter, request: ProvisionRequest, roles: Sequence[str]) -> ClientToken:
    groups, visit = [request.group], noted_visit()
    wanted = TokenRequest(request.user_id, groups, roles, request.minutes, visit)
    return await generate_token(minter, wanted)


def _describe_failure(error: ServiceError) -> dict[str, Any]:
    """Return what a store keeps of a failure after which the announcement may have been sent."""
    known = {"reason": error.reason, "answered": error.answered, "code": error.code}
    return {"failure": {"kind": error.kind, "members": dict(error.members), **known}}


def _read_failure(failure: Mapping[str, Any]) -> ServiceError:
    facts = {name: failure[name] for name in ("answered", "code", "members")}
    return FAILURES[failure["kind"]](failure["reason"], may_have_acted=True, **facts)


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
