"""The workflow's `PubSub` over the official SDK. Only this module knows the SDK and its errors."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    DistributedTracingPolicy,
    SansIOHTTPPolicy,
)
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.core.settings import settings as sdk_settings
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from usher.errors import (
    ServiceError,
    ThrottledError,
    UnansweredError,
    UnknownConnectionError,
)
from usher.groups.announcements import Message
from usher.service.signing import Signer
from usher.service.tokens import ClientToken, TokenRequest
from usher.settings import Connection, Settings

CONNECT_SECONDS = 5
READ_SECONDS = 5
API_VERSION = "2024-12-01"  # the SDK's own
SCOPE = "https://webpubsub.azure.com/.default"  # likewise
NO_KINDS: Mapping[int, type[ServiceError]] = MappingProxyType({})
MOST_MEMBERS = 200  # connections of a group that are read


class AzurePubSub:
    """One hub of one Web PubSub service. One a process: it keeps its connections open."""

    def __init__(self, settings: Settings) -> None:
        connection = settings.connection
        self._signer = None if connection.access_key is None else Signer(settings)
        credential: Any = _build_credential(connection)  # two kinds, which have nothing in common
        # Any, because the SDK annotates None where its `cls` hook gives a value.
        self._client: Any = WebPubSubServiceClient(
            connection.endpoint,
            settings.hub,
            credential,
            # The SDK has eleven more, which do nothing here that is wanted and take a sixth of a
            # call's CPU time. One would send a text again after a 500: groups.retries decides.
            policies=[
                KeyPolicy(self._signer)
                if self._signer
                else AsyncBearerTokenCredentialPolicy(credential, SCOPE),
                DistributedTracingPolicy(),
            ],
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            use_env_settings=False,  # halves the CPU time of a call; no HTTP_PROXY in Azure
        )
        self._hub = settings.hub
        self._group = settings.default_group
        self._options = transport_options(connection)
        # What the environment says, asked once: the SDK would ask five times for each event.
        sdk_settings.tracing_enabled = sdk_settings.tracing_enabled()

    async def generate_token(self, request: TokenRequest) -> ClientToken:
        """Signs with the key, or asks the service where there is none. Raises ServiceError."""
        if self._signer:
            return await self._signer.generate_token(request)
        # The token's own time is at most a second later, and reading it would take it apart.
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
        """PUT `groups/{group}/connections/{connectionId}`; 200 or ServiceError.

        With a user id only a connection of that user is added. UnknownConnectionError.
        """
        if user_id is not None:
            return await self._add_connection_of(user_id, group, connection_id)
        with _translate_errors({404: UnknownConnectionError}):
            status = await self._client.add_connection_to_group(
                group, connection_id, cls=_read_status, **self._options
            )
        return int(status)

    async def send_message(self, group: str, message: Message) -> int:
        """POST `groups/{group}/:send`, a text or an object; 202 or ServiceError."""
        # Bytes: for a text the SDK counts characters as its Content-Length, and cuts it there.
        body = message.encode() if isinstance(message, str) else message
        kind = "text/plain" if isinstance(message, str) else "application/json"
        with _translate_errors():
            status = await self._client.send_to_group(
                group, body, content_type=kind, cls=_read_status, **self._options
            )
        return int(status)

    async def _add_connection_of(self, user_id: str, group: str, connection_id: str) -> int:
        """POST `:addToGroups`, in which the service itself compares connection and user.

        It is the only call that knows both, and answers 200 also where nothing matches
        (azure-rest-api-specs, WebPubSub 2024-12-01): the group's list then tells.
        """
        wanted = f"connectionId eq {_quote(connection_id)} and userId eq {_quote(user_id)}"
        request = HttpRequest(
            "POST",
            f"/api/hubs/{quote(self._hub, safe='')}/:addToGroups",
            params={"api-version": API_VERSION},
            json={"groups": [group], "filter": wanted},
        )
        with _translate_errors():
            response = await self._client.send_request(request, **self._options)
            if response.status_code != 200:
                raise HttpResponseError(response=response)
        if not await self._has_member(group, connection_id, user_id):
            raise UnknownConnectionError("no connection of that user was added", answered=200)
        return int(response.status_code)

    async def _has_member(self, group: str, connection_id: str, user_id: str) -> bool:
        """GET `groups/{group}/connections`, page by page until it is found."""
        asked = self._client.list_connections(group=group, **self._options)
        try:
            with _translate_errors():
                async for member in asked:
                    if (member.connection_id, member.user_id) == (connection_id, user_id):
                        return True
        except ServiceError as error:
            error.may_have_acted = True  # the call before this one
            raise
        return False

    async def list_users(self, group: str) -> tuple[list[str | None], bool]:
        """GET `groups/{group}/connections`; of no group an empty list. Raises ServiceError.

        A page of the service has at most 200 (azure-rest-api-specs, `maxpagesize`); the SDK does
        not tell whether it was the last one, so one connection more is asked for.
        """
        asked = self._client.list_connections(group=group, top=MOST_MEMBERS + 1, **self._options)
        with _translate_errors():
            users = [member.user_id async for member in asked]
        return users[:MOST_MEMBERS], len(users) > MOST_MEMBERS

    async def check_health(self) -> None:
        """HEAD `/api/health`, for which the SDK has no method, and a call that asks who we are.

        The first needs no credentials, so it alone says nothing of a wrong key or a missing role.
        Raises ServiceError.
        """
        with _translate_errors():
            response = await self._client.send_request(
                HttpRequest("HEAD", "/api/health"), **self._options
            )
            if response.status_code != 200:
                raise HttpResponseError(response=response)
            await self._client.group_exists(self._group, **self._options)

    async def close(self) -> None:
        """Closes the connections to the service."""
        await self._client.close()


class KeyPolicy(SansIOHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Signs each request with the access key, as the SDK's own policy does."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        call = request.http_request
        call.headers["Authorization"] = f"Bearer {self._signer.sign_call(call.url)}"


def transport_options(connection: Connection) -> dict[str, Any]:
    """What each call tells the SDK of how it may be sent."""
    # An identity's token goes over https only, but a stand-in on this machine has none.
    is_stand_in = connection.access_key is None and connection.is_loopback
    return {"enforce_https": False} if is_stand_in else {}


def _build_credential(connection: Connection) -> AzureKeyCredential | AsyncTokenCredential:
    if connection.access_key is not None:
        return AzureKeyCredential(connection.access_key)
    # Imported here: it loads msal and requests, which key mode never needs.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

    if connection.managed_identity:
        return ManagedIdentityCredential(client_id=connection.client_id)
    return DefaultAzureCredential()


def _read_status(response: Any, _body: object, _headers: object) -> int:
    """The SDK's `cls` hook: gives the status that the service really answered."""
    return int(response.http_response.status_code)


def _quote(text: str) -> str:
    """A literal of a filter (OData 4.01, URL conventions: a quote is doubled)."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def _translate_errors(kinds: Mapping[int, type[ServiceError]] = NO_KINDS) -> Iterator[None]:
    """The SDK's errors become ours; `kinds` says what a status means beside the usual."""
    try:
        yield
    except HttpResponseError as error:
        raise _describe_answer(error, {429: ThrottledError, **kinds}) from error
    except AzureError as error:
        raise UnansweredError(type(error).__name__, reached=_may_have_arrived(error)) from error


def _may_have_arrived(error: AzureError) -> bool:
    # The SDK has one error for a connection that was refused and for one that broke half way.
    refused = isinstance(error.inner_exception, ClientConnectorError)
    return not refused and not isinstance(error, ServiceRequestTimeoutError)


def _describe_answer(
    error: HttpResponseError, kinds: Mapping[int, type[ServiceError]]
) -> ServiceError:
    response: Any = error.response
    headers = response.headers if response else {}
    code = headers.get("x-ms-error-code")
    kind = kinds.get(error.status_code or 0, ServiceError)
    return kind(
        f"answered {error.status_code} ({code or type(error).__name__})",
        answered=error.status_code,
        code=code,
        retry_after=_read_seconds(headers.get("Retry-After")),
    )


def _read_seconds(retry_after: str | None) -> float | None:
    # The other form of this header, a date, is treated as absent; the service sends seconds.
    return float(retry_after) if retry_after and retry_after.isdecimal() else None
