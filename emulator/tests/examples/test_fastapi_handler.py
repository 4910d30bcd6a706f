"""An event handler with FastAPI, which a synchronous test runs in a thread."""

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.models import CallbackType, WebPubSubDataType
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from fastapi import FastAPI, Request, Response

from webpubsub_emulator import EmulatorFixture

app = FastAPI()


@app.options("/events")
def validate() -> Response:
    return Response(headers={"WebHook-Allowed-Origin": "*"})


@app.post("/events")
async def on_event(request: Request) -> Response:
    if request.headers["ce-type"] != "azure.webpubsub.user.shout":
        return Response()
    text = (await request.body()).decode().upper()
    return Response(text, media_type="text/plain")


@pytest.fixture
def handler(webpubsub: EmulatorFixture) -> Iterator[None]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    port = listening.getsockname()[1]
    webpubsub.add_event_handler("chat", f"http://127.0.0.1:{port}/events")
    yield
    server.should_exit = True
    thread.join()


@pytest.mark.usefixtures("handler")
def test_the_app_answers_an_event(webpubsub: EmulatorFixture) -> None:
    service = WebPubSubServiceClient.from_connection_string(webpubsub.connection_string, "chat")
    # This client can miss that it is open, or an ack. Then it waits for these times.
    url = service.get_client_access_token()["url"]
    client, received = WebPubSubClient(url, start_timeout=5, ack_timeout=2), list[str]()
    client.subscribe(CallbackType.SERVER_MESSAGE, lambda message: received.append(message.data))
    with client:
        client.send_event("shout", "hello", WebPubSubDataType.TEXT)
        webpubsub.wait_for(lambda: received == ["HELLO"])
