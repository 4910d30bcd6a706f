import asyncio

import pytest

from tests import virtual_time
from usher.errors import ServiceError
from usher.groups.retries import RetryBudget, call_with_retries


class Service:
    """Gives each answer once, in order, and then the last answer again."""

    def __init__(self, *answers: ServiceError | int) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def call(self) -> int:
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ServiceError):
            raise answer
        return answer


def run(service: Service, may_retry: bool = True, deadline: float = 10) -> tuple[int, float]:
    budget = RetryBudget(deadline)
    return virtual_time.run(call_with_retries(service.call, lambda *_: may_retry, budget))


def test_a_call_that_succeeds_is_made_once() -> None:
    service = Service(200)
    assert run(service) == (200, 0)
    assert service.calls == 1


@pytest.mark.parametrize(("first", "may_have_acted"), [(500, True), (408, True), (429, False)])
def test_the_last_error_covers_all_calls(first: int, may_have_acted: bool) -> None:
    """After a refusal, an earlier call may still have taken effect."""
    errors = [ServiceError("x", answered=status) for status in (first, 400)]
    service = Service(*errors)

    def may_retry(error: ServiceError, _seconds: float) -> bool:
        return error is errors[0]

    with pytest.raises(ServiceError) as caught:
        virtual_time.run(call_with_retries(service.call, may_retry, RetryBudget(10)))
    assert (caught.value.answered, caught.value.may_have_acted) == (400, may_have_acted)


def test_waits_grow() -> None:
    """At most 0.1 s, 0.2 s and 0.4 s, and at least half of each."""
    service = Service(*[ServiceError("x")] * 3, 200)
    answer, seconds = run(service)
    assert (answer, service.calls) == (200, 4)
    assert 0.35 <= seconds <= 0.7


def test_waits_stop_growing_at_two_seconds() -> None:
    """The sixth wait and each later one is from 1 s to 2 s."""
    _, seconds_of_six = run(Service(*[ServiceError("x")] * 6, 200), deadline=1000)
    assert 0.05 + 0.1 + 0.2 + 0.4 + 0.8 + 1 <= seconds_of_six <= 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 2
    _, seconds_of_many = run(Service(*[ServiceError("x")] * 105, 200), deadline=1000)
    assert 100 <= seconds_of_many <= 5.1 + 200


def test_the_rule_gets_the_seconds_since_the_first_call() -> None:
    elapsed: list[float] = []

    def may_retry(_error: ServiceError, seconds: float) -> bool:
        elapsed.append(seconds)
        return True

    async def call_later() -> int:
        await asyncio.sleep(5)
        service = Service(ServiceError("x", retry_after=3), ServiceError("x", retry_after=1), 200)
        return await call_with_retries(service.call, may_retry, RetryBudget(20))

    assert virtual_time.run(call_later()) == (200, 9)
    assert elapsed == [0, 3]


def test_retries_are_counted() -> None:
    """The first call is no retry."""
    for failures, count in ((0, 0), (3, 3)):
        budget = RetryBudget(10)
        service = Service(*[ServiceError("x")] * failures, 200)
        virtual_time.run(call_with_retries(service.call, lambda *_: True, budget))
        assert budget.retries == count


def test_retry_after_is_honoured() -> None:
    for seconds in (0, 3):
        assert run(Service(ServiceError("x", retry_after=seconds), 200)) == (200, seconds)


@pytest.mark.parametrize("retry_after", [10, 60])
def test_no_wait_reaches_the_deadline(retry_after: float) -> None:
    """The call fails at once instead."""
    service = Service(ServiceError("x", retry_after=retry_after), 200)
    with pytest.raises(ServiceError):
        run(service)
    assert service.calls == 1


def test_an_error_that_forbids_a_retry_is_raised_itself() -> None:
    error = ServiceError("x", answered=400)
    with pytest.raises(ServiceError) as caught:
        run(Service(error, 200), may_retry=False)
    assert caught.value is error


def test_an_endless_failure_ends_before_the_deadline() -> None:
    """The last error is raised."""
    service = Service(ServiceError("x"))
    with pytest.raises(ServiceError):
        run(service)
    assert 5 < service.calls < 20


def test_a_call_that_hangs_ends_at_the_deadline() -> None:
    async def hang() -> int:
        await asyncio.sleep(1000)
        return 200

    with pytest.raises(TimeoutError):
        virtual_time.run(call_with_retries(hang, lambda *_: True, RetryBudget(10)))
