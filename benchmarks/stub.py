"""A stub of the data plane and of a managed identity's endpoint that uses little CPU.

It answers the calls that the apps make, accepts any token, and counts the calls.
`python -m benchmarks.stub [CERTIFICATE]` prints its port, uses TLS if it gets a certificate, and
takes commands from callers.py.
"""

import asyncio
import json
import re
import ssl
import sys
import time
from email.utils import formatdate
from typing import cast

from localdev.child_commands import obey
from webpubsub_emulator.tokens import ACCESS_KEY, Client, sign_client_token, sign_data_plane_token

IDENTITY_PATH = "/msi/token"
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)
_TOKEN = re.compile(
    rb"^(authorization: *bearer|authorization: *sharedkey|x-identity-header:) *\S", re.I | re.M
)
_TOKEN_MINUTES = 60


def _answer(status: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    kind = "Content-Type: application/json\r\n" if content else ""
    head = f"HTTP/1.1 {status}\r\n{kind}Content-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _client_token() -> bytes:
    client = Client("user", ("webpubsub.sendToGroup.lobby",), ("lobby",), {})
    token = sign_client_token(ACCESS_KEY, "http://127.0.0.1/client/hubs/chat", client, 60)
    return _answer("200 OK", {"token": token})


def _identity_token() -> bytes:
    """See App Service documentation, "Managed identities", REST endpoint reference."""
    facts = {
        "access_token": sign_data_plane_token(ACCESS_KEY),
        "expires_on": str(int(time.time()) + _TOKEN_MINUTES * 60),
        "resource": "https://webpubsub.azure.com",
        "token_type": "Bearer",
    }
    return _answer("200 OK", facts)


def _no_row() -> bytes:
    """Return the answer of a table without the row."""
    message = {"lang": "en-US", "value": "The specified resource does not exist."}
    problem = {"odata.error": {"code": "ResourceNotFound", "message": message}}
    return _answer("404 Not Found", problem)


ADD, SEND, GENERATE, IDENTIFY = "add", "send", "generateToken", "identity"
READ_ROW = "readRow"
LIST, SNAPSHOT = "list", "snapshot"
_OWN_GROUP = re.compile(rb"GET [^ ]*/groups/user-user-([0-9]+)/connections\?")
CALLS = {
    ADD: re.compile(rb"PUT /api/hubs/[^/]+/groups/[^/]+/connections/[^/?]+\?"),
    SEND: re.compile(rb"POST /api/hubs/[^/]+/groups/[^/]+/:send\?"),
    GENERATE: re.compile(rb"POST /api/hubs/[^/]+/:generateToken\?"),
    IDENTIFY: re.compile(b"GET " + IDENTITY_PATH.encode()),
    READ_ROW: re.compile(rb"GET /devstoreaccount1/usher\("),
    LIST: re.compile(rb"GET /api/hubs/[^/]+/groups/[^/]+/connections\?"),
    SNAPSHOT: re.compile(rb"POST /api/hubs/[^/]+/connections/[^/]+/:send\?"),
}
ANSWERS = {
    ADD: _answer("200 OK"),
    SEND: _answer("202 Accepted"),
    GENERATE: _client_token(),
    IDENTIFY: _identity_token(),
    READ_ROW: _no_row(),
    SNAPSHOT: _answer("202 Accepted"),
}
UNAUTHORIZED = _answer("401 Unauthorized")
NOT_FOUND = _answer("404 Not Found")


def _list_own_group(head: bytes) -> bytes:
    """Return the list of a group that only the connection with the same number has joined."""
    found = _OWN_GROUP.match(head)
    number = int(found[1]) if found else 0
    member = {"connectionId": f"{number:032x}", "userId": f"user-{number}"}
    date = f"Date: {formatdate(usegmt=True)}\r\n".encode()
    status, rest = _answer("200 OK", {"value": [member]}).split(b"\r\n", 1)
    return status + b"\r\n" + date + rest


class Stub:
    """Counts the calls that it answered."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(CALLS, 0)

    def answer(self, head: bytes) -> bytes:
        """Return the answer to a request."""
        name = next((name for name, pattern in CALLS.items() if pattern.match(head)), None)
        if name is None:
            return NOT_FOUND
        if not _TOKEN.search(head):
            return UNAUTHORIZED
        self._counts[name] += 1
        return _list_own_group(head) if name == LIST else ANSWERS[name]

    async def take_counts(self) -> dict[str, int]:
        """Return how often each call was answered since the last take."""
        counts, self._counts = self._counts, dict.fromkeys(CALLS, 0)
        return counts


class Connection(asyncio.Protocol):
    """One connection of an app."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new TCP connection."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is complete; callers send the next one after the answer."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and len(body) >= (int(length[1]) if length else 0):
            self._received = b""
            self._transport.write(self._stub.answer(head))


async def serve(certificate: str | None = None) -> None:
    """Serve until stdin ends."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    stub, loop = Stub(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await obey(stub)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
