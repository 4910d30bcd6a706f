"""Requests that were recorded from the real Functions host: sent as recorded, and compared.

The app of the recordings is in apps/probe. A raw socket sends the requests, because a client would
tidy their paths and headers.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CASES: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "functions-http.jsonl").read_text("utf-8").splitlines()
]
# Response headers that were recorded. The names of CORS headers begin alike.
RECORDED_HEADERS = ("access-control-", "content-type", "set-cookie", "vary", "www-authenticate")
# Headers of every request, which depend on the client, are not in the recordings.
CLIENT_HEADERS = {"host", "connection", "accept", "accept-encoding", "user-agent"}
AT_ONCE = 16  # open connections


def configuration(case: Mapping[str, Any]) -> str:
    """Return what the host of a case was started with, as a key: access keys and CORS."""
    return json.dumps([case["keys"], case.get("cors")])


CONFIGURATIONS = list(dict.fromkeys(configuration(case) for case in CASES))


async def replay(addresses: Mapping[str, str]) -> dict[str, list[str]]:
    """Send every case to the host of its configuration; return the differences by case."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def differences(case: Mapping[str, Any]) -> list[str]:
        address = addresses[configuration(case)]
        async with limit:
            reply = await send(address, write_request(case["request"], address))
        return compare(case["answer"], reply, address)

    found = await asyncio.gather(*(differences(case) for case in CASES))
    return {case["name"]: each for case, each in zip(CASES, found, strict=True) if each}


def write_request(request: Mapping[str, Any], address: str) -> bytes:
    """Return the bytes of a recorded request. The connection closes after the response."""
    lines = [f"{request['method']} {request['path']} HTTP/1.1", f"Host: {urlsplit(address).netloc}"]
    lines += [f"{name}: {value}" for name, value in request["headers"]]
    if ["Connection", "close"] not in request["headers"]:
        lines.append("Connection: close")
    body = base64.b64decode(request.get("base64", "")) or request.get("body", "").encode()
    if request.get("chunked"):
        lines.append("Transfer-Encoding: chunked")
        body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    elif "body" in request or "base64" in request:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def send(address: str, data: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Send bytes to a host; return the status, the headers and the body of the response."""
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(data)
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    status, *lines = head.decode().split("\r\n")
    pairs = [line.partition(":") for line in lines]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    if ("transfer-encoding", "chunked") in headers:
        body = _join_chunks(body)
    return int(status.split()[1]), headers, body


def compare(
    recorded: Mapping[str, Any], reply: tuple[int, list[tuple[str, str]], bytes], address: str
) -> list[str]:
    """Return how a reply differs from the recorded answer, one text for each difference."""
    status, headers, body = reply
    expected = {
        "status": recorded["status"],
        "headers": sorted([name.lower(), value] for name, value in recorded["headers"]),
    }
    found: dict[str, Any] = {
        "status": status,
        "headers": sorted([*pair] for pair in headers if pair[0].startswith(RECORDED_HEADERS)),
    }
    if "body" in recorded:
        expected["body"] = recorded["body"]
        found["body"] = body.decode(errors="replace")
    if "echo" in recorded and status == 200:
        expected |= recorded["echo"]
        found |= _read_echo(json.loads(body), address)
    return [
        f"{key}: {found.get(key)!r} instead of {expected[key]!r}"
        for key in expected
        if found.get(key) != expected[key]
    ]


def _read_echo(echo: Mapping[str, Any], address: str) -> dict[str, Any]:
    return {
        "function": echo["function"],
        "method": echo["method"],
        "target": echo["url"].removeprefix(address),
        "params": echo["params"],
        "routeParams": echo["route_params"],
        "bodyLength": echo["body_len"],
        "body": echo["body_b64"],
        "headers": {k: v for k, v in echo["headers"].items() if k not in CLIENT_HEADERS},
    }


def _join_chunks(body: bytes) -> bytes:
    joined = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        joined, body = joined + body[:length], body[length + 2 :]
        if length == 0:
            break
    return joined
