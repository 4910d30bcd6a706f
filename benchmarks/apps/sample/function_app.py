"""The usual sample: synchronous functions that create a client for each call.

The credential is created once, which not every sample does: it caches the identity's token.
"""

import json
import os

import azure.functions as func
from azure.identity import DefaultAzureCredential
from azure.messaging.webpubsubservice import WebPubSubServiceClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

HUB = os.environ["WebPubSubHub"]
CONNECTION_STRING = os.environ["WebPubSubConnectionString"]
SERVICE_URI = os.environ.get("WebPubSubConnectionString__serviceUri", "")
CREDENTIAL = None if CONNECTION_STRING else DefaultAzureCredential()


def open_client() -> WebPubSubServiceClient:
    """Open a client with the connection string, or with the app's identity if it is empty."""
    if CREDENTIAL is None:
        return WebPubSubServiceClient.from_connection_string(CONNECTION_STRING, hub=HUB)
    return WebPubSubServiceClient(SERVICE_URI, HUB, CREDENTIAL)


@app.route("negotiate", methods=["POST"])
def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    """Return a token with the user, a group and a role."""
    body = req.get_json()
    role = f"webpubsub.sendToGroup.{body['group']}"
    token = open_client().get_client_access_token(
        user_id=body["userId"], groups=[body["group"]], roles=[role]
    )
    return func.HttpResponse(json.dumps(token), mimetype="application/json")


@app.generic_trigger(
    arg_name="request",
    type="webPubSubTrigger",
    hub="%WebPubSubHub%",
    eventType="system",
    eventName="connected",
)
def connected(request: str) -> None:
    """Add the connection to a group and announce it there."""
    context = json.loads(request)["connectionContext"]
    client = open_client()
    client.add_connection_to_group("lobby", context["connectionId"])
    client.send_to_group("lobby", f"{context['userId']} joined", content_type="text/plain")
