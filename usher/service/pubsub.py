"""Calls of Web PubSub with the official SDK. Only this module knows the SDK and its errors."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from aiohttp import ClientConnectorError
from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestTimeoutError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    CustomHookPolicy,
    DistributedTracingPolicy,
    SansIOHTTPPolicy,
)
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.core.settings import settings as sdk_settings
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from usher.errors import ServiceError, ThrottledError, UnansweredError, UnknownConnectionError
from usher.service.group_list import GroupList
from usher.service.signing import Signer
from usher.service.tokens import ClientToken, TokenRequest
from usher.settings import Connection, Settings

CONNECT_SECONDS = 5
READ_SECONDS = 5
API_VERSION = "2024-12-01"  # the SDK's own
SCOPE = "https://webpubsub.azure.com/.default"  # the SDK's own
NO_ERRORS: Mapping[int, type[ServiceError]] = MappingProxyType({})
MOST_MEMBERS = 200  # users of a list
MOST_CONNECTIONS = 2000  # that a list reads; the last one only shows that there are more


class AzurePubSub:
    """A hub of a Web PubSub service. One per process, because it keeps its connections open."""

    def __init__(self, settings: Settings) -> None:
        connection = settings.connection
        self._signer = None if connection.access_key is None else Signer(settings)
        credential: Any = _build_credential(connection)  # the two types have no common base
        # Any, because the SDK annotates None where its `cls` hook returns a value.
        self._client: Any = WebPubSubServiceClient(
            connection.endpoint,
            settings.hub,
            credential,
            policies=_build_policies(self._signer, credential),
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            use_env_settings=False,  # halves the CPU time of a call; no HTTP_PROXY in Azure
        )
        self._hub = settings.hub
        self._group = settings.default_group
        self._options = transport_options(connection)
        # Read from the environment once: the SDK would read it five times for each event.
        sdk_settings.tracing_enabled = sdk_settings.tracing_enabled()

    async def generate_token(self, request: TokenRequest) -> ClientToken:
        """Let the service make a client access token. Raises ServiceError."""
        # The token's own time is at most a second later, and to read it would mean to decode it.
        expires_at = int(time.time()) + 60 * request.minutes
        with _translate_errors():
            answer = await self._client.get_client_access_token(
                user_id=request.user_id,
                roles=list(request.roles),
                groups=list(request.groups),
                minutes_to_expire=request.minutes,
                **self._options,
            )
        return ClientToken(answer["url"], answer["baseUrl"], answer["token"], expires_at)

    async def add_connection(
        self, group: str, connection_id: str, user_id: str | None = None
    ) -> int:
        """PUT `groups/{group}/connections/{connectionId}`. Returns 200.

        With a user id, add only a connection of this user. Raises UnknownConnectionError and other
        ServiceErrors.
        """
        if user_id is not None:
            return await self._add_connection_of(user_id, group, connection_id)
        with _translate_errors({404: UnknownConnectionError}):
            status = await self._client.add_connection_to_group(
                group, connection_id, cls=_read_status, **self._options
            )
        return int(status)

    async def send_to_group(self, group: str, body: object, content_type: str) -> int:
        """POST `groups/{group}/:send`: a text as bytes, or a JSON object. 202 or ServiceError."""
        # No str: the SDK counts its characters as the Content-Length, and so truncates it.
        with _translate_errors():
            status = await self._client.send_to_group(
                group, body, content_type=content_type, cls=_read_status, **self._options
            )
        return int(status)

    async def send_to_connection(self, connection_id: str, body: object, content_type: str) -> int:
        """POST `connections/{connectionId}/:send`: a text as bytes, or a JSON object. Returns 202.

        Raises UnknownConnectionError and other ServiceErrors.
        """
        with _translate_errors({404: UnknownConnectionError}):
            status = await self._client.send_to_connection(
                connection_id, body, content_type=content_type, cls=_read_status, **self._options
            )
        return int(status)

    async def find_connection(self, connection_id: str) -> None:
        """HEAD `connections/{connectionId}`. Raises UnknownConnectionError if there is none."""
        with _translate_errors():
            if not await self._client.connection_exists(connection_id, **self._options):
                raise UnknownConnectionError("answered 404", answered=404)

    async def close_user(self, user_id: str, reason: str) -> bool:
        """POST `users/{userId}/:closeConnections`; return whether the user was connected.

        The service does not say how many connections it closes, nor list those of a user.
        Raises ServiceError.
        """
        with _translate_errors():
            was_connected = await self._client.user_exists(user_id, **self._options)
            await self._client.close_user_connections(user_id, reason=reason, **self._options)
        return bool(was_connected)

    async def remove_connection(self, group: str, connection_id: str) -> None:
        """DELETE `groups/{group}/connections/{connectionId}`.

        Raises UnknownConnectionError and other ServiceErrors.
        """
        with _translate_errors({404: UnknownConnectionError}):
            await self._client.remove_connection_from_group(group, connection_id, **self._options)

    async def revoke_sending(self, connection_id: str, group: str) -> None:
        """DELETE `permissions/sendToGroup/connections/{connectionId}` for one group.

        Raises UnknownConnectionError and other ServiceErrors.
        """
        with _translate_errors({404: UnknownConnectionError}):
            await self._client.revoke_permission(
                "sendToGroup", connection_id, target_name=group, **self._options
            )

    async def _add_connection_of(self, user_id: str, group: str, connection_id: str) -> int:
        """POST `:addToGroups`, where the service itself compares connection and user.

        No other call takes both. It answers 200 even if nothing matches (azure-rest-api-specs,
        WebPubSub 2024-12-01), so the group's list has to confirm it.
        """
        wanted = f"connectionId eq {_quote(connection_id)} and userId eq {_quote(user_id)}"
        path = f"/api/hubs/{quote(self._hub, safe='')}/:addToGroups?api-version={API_VERSION}"
        with _translate_errors():
            await self._request("POST", path, json={"groups": [group], "filter": wanted})
        if not await self._has_member(group, connection_id, user_id):
            raise UnknownConnectionError("no connection of this user was added", answered=200)
        return 200

    async def _has_member(self, group: str, connection_id: str, user_id: str) -> bool:
        """GET `groups/{group}/connections`, page by page until the connection is found."""
        asked = self._client.list_connections(group=group, **self._options)
        try:
            with _translate_errors():
                async for member in asked:
                    if (member.connection_id, member.user_id) == (connection_id, user_id):
                        return True
        except ServiceError as error:
            raise error.copy(may_have_acted=True) from error  # the call before this one
        return False

    async def list_group(self, group: str) -> GroupList:
        """GET `groups/{group}/connections`, page by page. Raises ServiceError.

        A group that does not exist has no connections. Reads on until user 201, so that many
        connections of one user do not hide the others. A page of the service has at most 200
        connections (azure-rest-api-specs, `maxpagesize`). The SDK hides which page is the last one.
        """
        answers: list[Any] = []
        asked = self._client.list_connections(
            group=group,
            top=MOST_CONNECTIONS,
            raw_response_hook=answers.append,
            **self._options,
        )
        connections: dict[str, str] = {}
        users: set[str] = set()
        truncated = False
        with _translate_errors():
            async for member in asked:
                user_id = member.user_id or ""
                users.add(user_id)
                truncated = len(users) > MOST_MEMBERS or len(connections) == MOST_CONNECTIONS - 1
                if truncated:
                    break
                connections[member.connection_id] = user_id
        return GroupList(_read_date(answers[0].http_response), connections, truncated)

    async def check_health(self) -> None:
        """HEAD `/api/health`, which the SDK has no method for, and a call with credentials.

        The first call needs no credentials, so it would not show a wrong key or a missing role.
        Raises ServiceError.
        """
        with _translate_errors():
            await self._request("HEAD", "/api/health")
            await self._client.group_exists(self._group, **self._options)

    async def _request(self, method: str, path: str, **content: Any) -> None:
        """Make a call that the SDK has no method for, and that answers 200."""
        request = HttpRequest(method, path, **content)
        response = await self._client.send_request(request, **self._options)
        if response.status_code != 200:
            raise HttpResponseError(response=response)

    async def close(self) -> None:
        """Close the connections to the service."""
        await self._client.close()


class KeyPolicy(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Signs each request with the access key, like the SDK's own policy."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        call = request.http_request
        call.headers["Authorization"] = f"Bearer {self._signer.sign_call(call.url)}"


def transport_options(connection: Connection) -> dict[str, Any]:
    """Return the SDK's options for each call."""
    # The SDK sends an identity's token only over https, which the emulator does not have.
    is_emulator = connection.access_key is None and connection.is_loopback
    return {"enforce_https": False} if is_emulator else {}


def _build_credential(connection: Connection) -> AzureKeyCredential | AsyncTokenCredential:
    if connection.access_key is not None:
        return AzureKeyCredential(connection.access_key)
    # Imported here: it loads msal and requests, which key mode never needs.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    if connection.managed_identity:
        return ManagedIdentityCredential(client_id=connection.client_id)
    return DefaultAzureCredential()


def _build_policies(signer: Signer | None, credential: Any) -> list[Any]:
    # The SDK's other ten policies are not needed, and take a sixth of the CPU time of a call. One
    # would send a text again after a 500, which groups.retries decides.
    authenticate = (
        KeyPolicy(signer) if signer else AsyncBearerTokenCredentialPolicy(credential, SCOPE)
    )
    return [authenticate, DistributedTracingPolicy(), CustomHookPolicy()]


def _read_status(response: Any, _body: object, _headers: object) -> int:
    """Return the status that the service answered; a `cls` hook of the SDK."""
    return int(response.http_response.status_code)


def _read_date(response: Any) -> datetime:
    """Return the answer's `Date`, in whole seconds and UTC (RFC 9110, section 6.6.1)."""
    try:
        return parsedate_to_datetime(response.headers.get("Date")).replace(tzinfo=UTC)
    except ValueError:
        raise ServiceError("answered without a Date", answered=response.status_code) from None


def _quote(text: str) -> str:
    """Return a string literal of a filter (OData 4.01, URL conventions: a quote is doubled)."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def _translate_errors(errors: Mapping[int, type[ServiceError]] = NO_ERRORS) -> Iterator[None]:
    """Raise ServiceErrors instead of the SDK's errors. `errors` has the error of some statuses."""
    try:
        yield
    except HttpResponseError as error:
        raise _describe_answer(error, {429: ThrottledError, **errors}) from error
    except AzureError as error:
        raise UnansweredError(type(error).__name__, reached=_may_have_arrived(error)) from error


def _may_have_arrived(error: AzureError) -> bool:
    # The SDK has one error for a refused connection and for a connection that broke later.
    refused = isinstance(error.inner_exception, ClientConnectorError)
    return not refused and not isinstance(error, ServiceRequestTimeoutError)


def _describe_answer(
    error: HttpResponseError, errors: Mapping[int, type[ServiceError]]
) -> ServiceError:
    response: Any = error.response
    headers = response.headers if response else {}
    code = headers.get("x-ms-error-code")
    error_type = errors.get(error.status_code or 0, ServiceError)
    return error_type(
        f"answered {error.status_code} ({code or type(error).__name__})",
        answered=error.status_code,
        code=code,
        retry_after=_read_seconds(headers.get("Retry-After")),
    )


def _read_seconds(retry_after: str | None) -> float | None:
    # The header can also be a date, which is ignored; the service sends seconds.
    return float(retry_after) if retry_after and retry_after.isdecimal() else None
