"""The Functions host that does not start: it answers 503 to everything, pages included."""

from localdev.doctor.app_settings import (
    HUB,
    SERVICE_URI,
    Problems,
    UnseenError,
    describe_problems,
    find_wrong_in_azure,
)
from localdev.doctor.calls import Answer
from localdev.doctor.context import Context
from localdev.doctor.findings import Finding, failure
from localdev.host.access import DEFAULT_CONNECTION

# Only this text of the host shows that it is the host that answers.
DEAD_HOST = "Function host is not running."
STOPS = (
    "A wrong hub or connection can keep the Functions host from starting; it then answers 503 to "
    "every request."
)
CAUSES = (
    f"The Functions host cannot start, or is still starting. It cannot start if {HUB} is empty, or "
    f"if {DEFAULT_CONNECTION} is in quotes, has no Endpoint, names a property twice, or has an "
    "invalid Port or URL."
)


def is_dead_host(answer: Answer) -> bool:
    """Return whether the Functions host answers that it does not run."""
    return answer.status == 503 and DEAD_HOST in answer.text


async def judge_dead_host(context: Context, saw: str) -> Finding:
    """Name the setting that stops the host, or the settings to look at."""
    saw = f"{saw} ({DEAD_HOST})"
    try:
        wrong = await _find_wrong(context)
    except UnseenError as error:
        return failure(
            f"{saw}; no setting was checked: {error}", CAUSES, context.fixes.start_host()
        )
    # The host reads the hub and the connection; other settings only concern the app.
    read_by_host = {
        name: wrong[name] for name in (HUB, DEFAULT_CONNECTION, SERVICE_URI) if name in wrong
    }
    if read_by_host:
        saw = f"{saw}; {describe_problems(read_by_host)}"
        return failure(saw, STOPS, context.fixes.correct_settings(list(read_by_host)))
    saw = f"{saw}; the hub and connection settings show no fault"
    return failure(saw, CAUSES, context.fixes.start_host())


async def _find_wrong(context: Context) -> Problems:
    if not context.target.is_local:
        return await find_wrong_in_azure(context.fixes)
    if context.self_check_failure:
        raise UnseenError(context.self_check_failure)
    problems: Problems = context.self_check["problems"]
    return problems
