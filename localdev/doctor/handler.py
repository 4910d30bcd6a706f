"""Checks the hub's event handler: what the emulator's control endpoint or `az` shows of it."""

import asyncio
import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from localdev.doctor.calls import UnreachableError
from localdev.doctor.findings import Finding, failure, fine, skipped, warning
from localdev.doctor.patient import Patient
from localdev.doctor.service import WEBHOOK
from localdev.doctor.target import LOCAL_HOSTS
from webpubsub_emulator.handler_settings import SYSTEM_EVENTS

type Handlers = Sequence[Mapping[str, Any]]

AZ_SECONDS = 60.0
KEY_VAULT = "{@Microsoft.KeyVault("


class UnknownError(Exception):
    """Nobody shows the event handlers; the text says why."""


async def check_handler(patient: Patient) -> Finding:
    """Without a look at them, the journey tells."""
    try:
        hubs = await _read_hubs(patient)
    except UnknownError as error:
        return skipped(f"{error}; the journey tells")
    handlers = hubs.get(patient.hub.lower(), ())
    if not handlers:
        return _judge_no_handler(patient, [hub for hub, some in hubs.items() if some])
    return _judge_handlers(patient, handlers)


async def _read_hubs(patient: Patient) -> Mapping[str, Handlers]:
    target = patient.target
    if patient.has_emulator:
        return await _ask_emulator(patient)
    if target.resource_group and target.web_pubsub:
        return {patient.hub.lower(): await _ask_azure(patient)}
    raise UnknownError("--resource-group and --web-pubsub would let `az` be asked")


async def _ask_emulator(patient: Patient) -> Mapping[str, Handlers]:
    try:
        answer = await patient.ask_service("GET", "/control/state")
    except UnreachableError as error:
        raise UnknownError(f"the emulator does not answer ({error})") from None
    if answer.status != 200:
        raise UnknownError("the emulator shows it with --control only")
    handlers: Mapping[str, Handlers] = answer.body.get("eventHandlers", {})
    return handlers


async def _ask_azure(patient: Patient) -> Handlers:
    """An empty list where the hub has no settings."""
    command = shutil.which("az")
    if command is None:
        raise UnknownError("`az` is not here to be asked")
    target = patient.target
    names = ["--resource-group", target.resource_group or "", "--name", target.web_pubsub or ""]
    names += ["--hub-name", patient.hub, "--output", "json"]
    status, output, errors = await _run(command, "webpubsub", "hub", "show", *names)
    if status == 0:
        return _read_azure(output)
    if "ResourceNotFound" in errors and "/hubs/" in errors:
        return []
    first = next(iter(errors.strip().splitlines()), "it says nothing")
    raise UnknownError(f"`az webpubsub hub show` failed: {first}")


def _read_azure(output: str) -> Handlers:
    try:
        handlers: Handlers = json.loads(output)["properties"].get("eventHandlers") or []
    except (ValueError, KeyError, TypeError):
        raise UnknownError("what `az` answers cannot be read") from None
    return handlers


async def _run(*command: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), AZ_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise UnknownError("`az` does not end") from None
    return process.returncode or 0, output.decode(), errors.decode(errors="replace")


def _judge_no_handler(patient: Patient, others: list[str]) -> Finding:
    saw = f"the hub {patient.hub} has no event handler"
    if not others:
        return failure(saw, "The app hears of no client.", patient.remedies.write_handler())
    return failure(
        f"{saw}; {', '.join(others)} has one",
        "The app and the event handler are for different hubs.",
        patient.remedies.change_setting("WebPubSubHub", others[0]),
    )


def _judge_handlers(patient: Patient, handlers: Handlers) -> Finding:
    """`connect` may be left out on purpose, and a domain may have two names: the journey tells."""
    sent = {name: _find(handlers, name) for name in SYSTEM_EVENTS}
    missing = [name for name in SYSTEM_EVENTS[1:] if sent[name] is None]
    if missing:
        saw = f"the event handler of the hub {patient.hub} does not send {' and '.join(missing)}"
        return failure(saw, "The app hears nothing of that.", patient.remedies.write_handler())
    urls = [each["urlTemplate"] for each in sent.values() if each is not None]
    for url in urls:
        if fault := _judge_url(patient, url):
            return failure(*fault, patient.remedies.write_handler())
    patient.sends_connect = sent["connect"] is not None
    patient.remarks = _remarks(patient, urls)
    if patient.remarks and patient.token is None:
        means = "Without credentials no journey can tell whether that is meant."
        return warning("; ".join(patient.remarks), means, patient.remedies.write_handler())
    return fine(
        "; ".join(patient.remarks) or "sends connect, connected and disconnected to the app"
    )


def _find(handlers: Handlers, event: str) -> Mapping[str, Any] | None:
    """The first that takes it gets it (howto-develop-eventhandler)."""
    return next(
        (each for each in handlers if event in map(str.lower, each.get("systemEvents") or ())), None
    )


def _judge_url(patient: Patient, url: str) -> tuple[str, str] | None:
    """What is surely wrong with it, and what that means. The key in it is never shown."""
    if url.startswith(KEY_VAULT):
        return None  # the whole of it is somewhere else
    parts = urlsplit(url)
    # The host takes anything behind the extension's name (HostController.cs, the route).
    if not f"{parts.path.lower()}/".startswith(f"{WEBHOOK}/"):
        return f"its URL has the path {parts.path or '/'}", f"The webhook is at {WEBHOOK}."
    if not patient.asks_for_key or patient.has_emulator or KEY_VAULT in url:
        return None  # the emulator does not show the key, nor does a reference to it
    codes = {name.lower(): values for name, values in parse_qs(parts.query).items()}.get("code")
    if not codes:
        return "its URL has no ?code=", "The app refuses every event with 401."
    if patient.target.system_key and codes != [patient.target.system_key]:
        return "its URL has another key than the app", "The app refuses every event with 401."
    return None


def _remarks(patient: Patient, urls: list[str]) -> list[str]:
    remarks = []
    if not patient.sends_connect:
        remarks.append("it does not send connect, which is for USHER_SINGLE_GROUP only")
    addresses = {_address(url) for url in urls if not url.startswith(KEY_VAULT)}
    for address in sorted(addresses - {_address(patient.target.app)}):
        remarks.append(f"it sends events to {address}")
    return remarks


def _address(url: str) -> str:
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname in LOCAL_HOSTS else parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"
