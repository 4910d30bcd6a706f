"""The whole examination: the checks in their order, each only where those before it allow."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localdev.doctor.app import check_app, check_health, check_settings, meet
from localdev.doctor.calls import UnreachableError, open_session
from localdev.doctor.clock import check_clock
from localdev.doctor.cors import check_cors
from localdev.doctor.findings import Finding, Level, failure, skipped, worst_level
from localdev.doctor.handler import check_handler
from localdev.doctor.journey import check_journey
from localdev.doctor.negotiation import check_negotiate
from localdev.doctor.pages import check_pages
from localdev.doctor.patient import Patient
from localdev.doctor.report import Report
from localdev.doctor.target import DoctorError, Target, read_target
from localdev.doctor.webhook import check_claims, check_webhook
from localdev.host.access import DEFAULT_CONNECTION, read_accesses
from localdev.host.errors import HostError
from localdev.host.settings import apply_local_settings, read_local_settings
from localdev.stack import ROOT


@dataclass(frozen=True)
class Check:
    """`after` are the checks without which this one would only repeat what they have found."""

    name: str
    run: Callable[[Patient], Awaitable[Finding]]
    after: tuple[str, ...] = ()


CHECKS = (
    Check("app", check_app),
    Check("settings", check_settings, ("app",)),
    Check("health", check_health, ("settings",)),
    Check("cors", check_cors, ("app",)),
    Check("negotiate", check_negotiate, ("health",)),
    Check("clock", check_clock, ("health",)),
    Check("webhook", check_webhook, ("settings",)),
    Check("connect", check_claims, ("health", "webhook")),
    Check("handler", check_handler, ("health",)),
    Check("journey", check_journey, ("negotiate", "clock", "connect", "handler")),
    Check("pages", check_pages, ("journey",)),
)


def run_doctor(options: argparse.Namespace) -> int:
    """0 where all is well, warnings included; 1 where something is not; 2 where nobody can tell."""
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
    """All findings, by check. `environ` has the settings of an app on this machine."""
    findings: dict[str, Finding] = {}
    stopped: set[str] = set()
    async with open_session() as session:
        patient = Patient(target, session, access_key=target.access_key, origins=target.origins)
        if target.is_local:
            await _look_around(patient, environ)
        report.open(target.app)
        patient.health = await meet(patient)
        for check in CHECKS:
            report.begin(check.name)
            findings[check.name] = await _run(check, patient, stopped)
            report.end(findings[check.name])
    return findings


async def _look_around(patient: Patient, environ: Mapping[str, str]) -> None:
    """What is known of an app on this machine without asking it."""
    patient.facts = await _read_facts(environ)
    patient.origins = patient.target.origins or read_local_settings(ROOT).cors_origins
    if not patient.facts["problems"] and patient.access_key is None:
        (access,) = read_accesses([DEFAULT_CONNECTION], environ)
        patient.access_key = access.access_key


async def _read_facts(environ: Mapping[str, str]) -> dict[str, Any]:
    """The app itself says what its settings are, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "usher.self_check"),
        cwd=ROOT,
        env=dict(environ),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    facts: dict[str, Any] = json.loads(output)
    return facts


async def _run(check: Check, patient: Patient, stopped: set[str]) -> Finding:
    if cause := next((name for name in check.after if name in stopped), None):
        stopped.add(check.name)
        return skipped(f"{cause} comes first")
    try:
        finding = await check.run(patient)
    except UnreachableError as error:
        finding = failure(
            f"no answer: {error}",
            "The app or the service does not answer any more.",
            patient.remedies.read_log(),
        )
    if finding.level is Level.FAILURE:
        stopped.add(check.name)
    return finding
