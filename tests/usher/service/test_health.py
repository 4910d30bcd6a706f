import asyncio

import pytest

from usher.errors import ServiceError, UnhealthyError
from usher.service import health
from usher.service.health import Health


class Service:
    def __init__(self) -> None:
        self.asked = 0
        self.failure: ServiceError | None = None

    async def check_health(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure


async def test_the_answer_is_remembered() -> None:
    """A hundred callers at once are one question."""
    service, state = Service(), Health()
    await asyncio.gather(*(state.check(service) for _ in range(100)))
    assert service.asked == 1


async def test_a_failure_is_remembered_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds for some seconds, and then the service is asked again."""
    service, state = Service(), Health()
    service.failure = ServiceError("answered 500", answered=500)
    for _ in range(2):
        with pytest.raises(UnhealthyError):
            await state.check(service)
    assert service.asked == 1
    service.failure = None
    monkeypatch.setattr(health, "CACHE_SECONDS", 0)
    await state.check(service)
    assert service.asked == 2


@pytest.mark.parametrize(
    ("answered", "told"),
    [(403, "Web PubSub answers this app with 403."), (None, "Web PubSub does not answer.")],
)
async def test_callers_learn_the_status_and_no_more(answered: int | None, told: str) -> None:
    """It tells a missing role from a wrong key, and both from a service that is not there."""
    service, state = Service(), Health()
    service.failure = ServiceError("answered 403 (Some.Code)", answered=answered)
    with pytest.raises(UnhealthyError) as caught:
        await state.check(service)
    assert caught.value.detail == told
