"""The whole examination: all checks in their order, without those that would repeat a failure."""

import argparse
import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from localdev.doctor.app import (
    call_health,
    check_app,
    check_health,
    check_package,
    check_settings,
)
from localdev.doctor.app_settings import UnseenError, find_in_environment, run_self_check
from localdev.doctor.calls import UnreachableError, open_session
from localdev.doctor.clock import check_clock, check_token
from localdev.doctor.context import Context
from localdev.doctor.event_handler import check_handler
from localdev.doctor.findings import (
    JOURNEY,
    Finding,
    Level,
    Report,
    failure,
    skipped,
    worst_level,
)
from localdev.doctor.identity_provider import ISSUER
from localdev.doctor.journey import check_journey
from localdev.doctor.negotiation import check_negotiate
from localdev.doctor.origins import check_cors, check_pages
from localdev.doctor.target import DoctorError, Target, read_target
from localdev.doctor.webhook import check_connect, check_webhook
from localdev.host.access import DEFAULT_CONNECTION, read_accesses
from localdev.host.errors import HostError
from localdev.host.settings import apply_local_settings, read_local_settings
from localdev.stack import ROOT

WAITING_SECONDS = 5.0  # between two lines about an answer that has not come


@dataclass(frozen=True, slots=True)
class Check:
    """A check. It is skipped if one of the checks in `after` failed or was skipped so itself."""

    name: str
    run: Callable[[Context], Awaitable[Finding]]
    after: tuple[str, ...] = ()


CHECKS = (
    Check("app", check_app),
    Check("settings", check_settings, ("app",)),
    Check("package", check_package, ("settings",)),
    # Before health, because Web PubSub answers a wrong clock as it answers a wrong access key.
    Check("clock", check_clock, ("settings",)),
    Check("health", check_health, ("clock",)),
    Check("cors", check_cors, ("app",)),
    Check("negotiate", check_negotiate, ("health",)),
    Check("token", check_token, ("negotiate",)),
    Check("webhook", check_webhook, ("settings",)),
    Check("connect", check_connect, ("health", "webhook")),
    Check("handler", check_handler, ("health",)),
    Check(JOURNEY, check_journey, ("negotiate", "token", "connect", "handler")),
    Check("pages", check_pages, (JOURNEY,)),
)


def run_doctor(options: argparse.Namespace) -> int:
    """Examine the app and print a report. Return the exit status.

    0 if nothing failed, 1 if a check failed, 2 if the examination could not start.
    """
    try:
        target = read_target(options, os.environ)
        if target.is_local:
            apply_local_settings(ROOT)
        report = Report(options.json)
        findings = asyncio.run(examine(target, os.environ, report))
        report.close(target.app, findings)
    except (DoctorError, HostError) as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 2
    return 1 if worst_level(findings.values()) is Level.FAILURE else 0


async def examine(target: Target, environ: Mapping[str, str], report: Report) -> dict[str, Finding]:
    """Return all findings by check. `environ` has the settings of an app on this machine.

    Raises DoctorError if nothing answers at the app's address.
    """
    findings: dict[str, Finding] = {}
    blocked: set[str] = set()
    async with open_session() as session:
        context = Context(target, session, access_key=target.access_key, origins=target.origins)
        if target.is_local:
            await _read_local_settings(context, environ)
        report.open(target.app)
        async with _show_waiting(report):
            context.health = await call_health(context)
        for check in CHECKS:
            report.begin(check.name)
            async with _show_waiting(report):
                findings[check.name] = await _run(check, context, blocked)
            report.end(findings[check.name])
    return findings


@asynccontextmanager
async def _show_waiting(report: Report) -> AsyncIterator[None]:
    """Print a line every few seconds until the block ends."""

    async def count() -> None:
        for number in itertools.count(1):
            await asyncio.sleep(WAITING_SECONDS)
            report.wait(number * WAITING_SECONDS)

    counting = asyncio.create_task(count())
    try:
        yield
    finally:
        counting.cancel()


async def _read_local_settings(context: Context, environ: Mapping[str, str]) -> None:
    settings = read_local_settings(ROOT)
    context.origins = context.target.origins or settings.cors_origins
    context.environment = find_in_environment(environ, settings.values)
    try:
        context.self_check = await run_self_check(environ)
    except UnseenError as error:
        context.self_check_failure = str(error)
        return
    if context.self_check.get("auth") == "oidc":
        context.issuer = environ.get(ISSUER)
    if not context.self_check["problems"] and context.access_key is None:
        (access,) = read_accesses([DEFAULT_CONNECTION], environ)
        context.access_key = access.access_key


async def _run(check: Check, context: Context, blocked: set[str]) -> Finding:
    """Run a check; add its name to `blocked` if the checks after it would repeat a failure."""
    if cause := next((name for name in check.after if name in blocked), None):
        blocked.add(check.name)
        return skipped(f"the check {cause} must pass first")
    try:
        finding = await check.run(context)
    except UnreachableError as error:
        saw = f"no answer: {error}"
        means = "The app or Web PubSub stopped answering during the examination."
        finding = failure(saw, means, context.fixes.read_log())
    if finding.level is Level.FAILURE:
        blocked.add(check.name)
    return finding
