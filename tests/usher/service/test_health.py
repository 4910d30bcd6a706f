import asyncio
import json
from types import SimpleNamespace

import pytest

from usher.errors import ServiceError, UnhealthyError
from usher.service import health
from usher.service.health import Health


class Service:
    def __init__(self) -> None:
        self.requests = 0
        self.failure: ServiceError | None = None

    async def check_health(self) -> None:
        self.requests += 1
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure


async def test_concurrent_callers_share_a_request() -> None:
    service, state = Service(), Health()
    await asyncio.gather(*(state.check(service) for _ in range(100)))
    assert service.requests == 1


async def test_a_failure_is_cached_for_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1000.0, 1000.0, 1004.9, 1005.0, 1005.0])
    monkeypatch.setattr(health, "time", SimpleNamespace(monotonic=lambda: next(times)))
    service, state = Service(), Health()
    service.failure = ServiceError("answered 500", answered=500)
    for _ in range(2):
        with pytest.raises(UnhealthyError):
            await state.check(service)
    assert service.requests == 1
    service.failure = None
    await state.check(service)
    assert service.requests == 2


@pytest.mark.parametrize(
    ("answered", "detail"),
    [(403, "Web PubSub answers this app with 403."), (None, "Web PubSub does not answer.")],
)
async def test_callers_get_the_status_of_the_service_only(
    answered: int | None, detail: str
) -> None:
    """It distinguishes a missing role, a wrong key and a service that does not answer."""
    service, state = Service(), Health()
    service.failure = ServiceError("answered 403 (Some.Code)", answered=answered)
    with pytest.raises(UnhealthyError) as caught:
        await state.check(service)
    assert caught.value.detail == detail
    assert caught.value.members == {"serviceStatus": answered}


async def test_the_log_has_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    """One record for each request, and not for each caller."""
    service, state = Service(), Health()
    service.failure = ServiceError("answered 403 (Some.Code)", answered=403)
    for _ in range(2):
        with pytest.raises(UnhealthyError):
            await state.check(service)
    (record,) = caplog.records
    assert json.loads(record.getMessage()) == {
        "record": "health",
        "failure": "Web PubSub: answered 403 (Some.Code).",
    }
    assert record.levelname == "ERROR"
