"""The checks `app`, `settings`, `package` and `health`: does the app run, and can it work."""

from collections.abc import Mapping

from localdev.doctor.app_settings import (
    PREFIXES,
    UnseenError,
    describe_problems,
    find_wrong_in_azure,
)
from localdev.doctor.calls import Answer, Kind, UnreachableError
from localdev.doctor.context import Context
from localdev.doctor.dead_host import is_dead_host, judge_dead_host
from localdev.doctor.findings import Finding, failure, fine, skipped, warning
from localdev.doctor.fixes import ADD_UNITS, ROLE
from localdev.doctor.target import DoctorError

HEALTH = "/api/health"
OPENAPI = "/api/openapi.yaml"  # the app reads the answer from a file of its package
INVALID_SETTINGS = "With invalid settings, every function answers with an error."


async def call_health(context: Context) -> Answer:
    """Make the first call, which may include a cold start. Raises DoctorError without an answer."""
    try:
        return await context.ask_app("GET", HEALTH)
    except UnreachableError as error:
        hint = (
            "`python3 dev.py up` starts the stack."
            if context.target.is_local
            else "Check the address."
        )
        raise DoctorError(f"Nothing answers at {context.target.app} ({error}). {hint}") from None


async def check_app(context: Context) -> Finding:
    """Check that Usher answers at the address."""
    answer = context.health
    if answer.status in (200, 401) or answer.kind is not None:
        return fine("the app answers")
    saw = f"GET {HEALTH} returned {answer.status}"
    if is_dead_host(answer):
        return await judge_dead_host(context, saw)
    if answer.status in (502, 503, 504):
        means = "The Functions host does not run, or is still starting."
        return failure(saw, means, context.fixes.read_log())
    means = "Usher does not run here: it is not deployed, or its functions did not load."
    return failure(saw, means, context.fixes.deploy())


async def check_settings(context: Context) -> Finding:
    """Check local settings key by key; of a deployment, ask the health endpoint."""
    if context.self_check_failure:
        return _judge_failed_self_check(context)
    if problems := context.self_check.get("problems"):
        return _judge_local_settings(context, problems)
    if context.health.status == 401:
        return skipped(f"GET {HEALTH} returned 401, so the app's settings cannot be checked")
    if context.health.kind != Kind.SETTINGS_INVALID:
        return fine(_describe_settings(context))
    if context.self_check:
        return failure(
            "the running app reports invalid settings, but the settings in this folder are valid",
            "The app was started with other settings.",
            "Restart the app.",
        )
    return await _judge_invalid_deployment(context)


def _judge_local_settings(context: Context, problems: Mapping[str, str]) -> Finding:
    settings = [name for name in problems if name.startswith(PREFIXES)]
    fix = (
        context.fixes.correct_settings(settings)
        if settings
        else "Correct the policy file, and restart the app."
    )
    return failure(describe_problems(problems), INVALID_SETTINGS, fix)


def _judge_failed_self_check(context: Context) -> Finding:
    means = "The app in this folder cannot be loaded, so its settings cannot be checked."
    fix = "Run this command with the Python of .venv; it shows the error and the line."
    return failure(context.self_check_failure, means, fix)


async def _judge_invalid_deployment(context: Context) -> Finding:
    saw = f"GET {HEALTH} returned {context.health.description}"
    try:
        wrong = await find_wrong_in_azure(context.fixes)
    except UnseenError as error:
        saw = f"{saw}; no setting was checked: {error}"
        return failure(saw, INVALID_SETTINGS, context.fixes.read_log())
    if not wrong:
        return failure(saw, INVALID_SETTINGS, context.fixes.read_log())
    fix = context.fixes.correct_settings(list(wrong))
    return failure(f"{saw}; {describe_problems(wrong)}", INVALID_SETTINGS, fix)


def _describe_settings(context: Context) -> str:
    if not context.self_check:
        return "the app reports no invalid setting"
    known = context.self_check
    return f"valid: hub {known['hub']}, mode {known['auth']}, service {known['service']}"


async def check_package(context: Context) -> Finding:
    """Check that the deployed package has all files of the app."""
    answer = await context.ask_app("GET", OPENAPI)
    saw = f"GET {OPENAPI} returned {answer.description}"
    match answer.status:
        case 200:
            return fine("the package has the files of the app")
        case 401:
            return _judge_protected_path(OPENAPI)
        case 429:
            return skipped(f"{saw}, so the package cannot be checked")
    means = "The deployed package lacks files of the app, or the app fails."
    return failure(saw, means, context.fixes.deploy())


def _judge_protected_path(path: str) -> Finding:
    return warning(
        f"GET {path} returned 401",
        "App Service Authentication protects this path, which has to be public.",
        f"Add {path} to `excludedPaths` in the authentication settings.",
    )


async def check_health(context: Context) -> Finding:
    """Check that the app reaches Web PubSub, and that Web PubSub accepts the app."""
    answer = context.health
    if answer.status == 200:
        return fine("the app reaches Web PubSub, and Web PubSub accepts the app")
    if answer.status == 401:
        return _judge_protected_path(HEALTH)
    saw = f"GET {HEALTH} returned {answer.description}"
    if answer.kind != Kind.SERVICE_UNHEALTHY:
        return failure(saw, "The app failed for another reason.", context.fixes.read_log())
    status = answer.body.get("serviceStatus")
    if status is None:
        return await _judge_unreachable_service(context, saw)
    return _judge_service_status(context, saw, status)


def _judge_service_status(context: Context, saw: str, status: int) -> Finding:
    match status:
        case 403:
            means = f"The app's identity does not have the role {ROLE}."
            return failure(saw, means, context.fixes.assign_role())
        case 401:
            means = (
                "The app's access key is not a key of this Web PubSub resource, or the app's "
                "identity belongs to another tenant."
            )
            return failure(saw, means, context.fixes.set_connection())
        case 429:
            means = "Web PubSub receives more requests than its units allow."
            return failure(saw, means, ADD_UNITS)
    return failure(saw, "Web PubSub fails.", "Check the health of the Web PubSub resource.")


async def _judge_unreachable_service(context: Context, saw: str) -> Finding:
    # The cause is another one if the service answers this machine.
    reason = await _try_service(context)
    if reason is None:
        means = (
            "Web PubSub answers this machine but not the app: the network blocks the app, or the "
            "app cannot get a token for its identity."
        )
        return failure(saw, means, context.fixes.let_app_reach_service())
    means = "Web PubSub does not run, or the app's settings contain a wrong address."
    return failure(f"{saw}; {reason}", means, context.fixes.correct_service_address())


async def _try_service(context: Context) -> str | None:
    """Return why the service cannot be asked from here; None if it answers."""
    if context.service is None:
        return "the address of Web PubSub is unknown here (pass --web-pubsub)"
    try:
        await context.ask_service("HEAD", HEALTH)
    except UnreachableError as error:
        return f"{context.service} does not answer this machine either ({error})"
    return None
