"""The usual sample: plain functions, and a synchronous client that each call makes anew.

The credential is made once, which not every sample does: it remembers the identity's token.
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
    """By connection string, or with the app's identity where there is none."""
    if CREDENTIAL is None:
        return WebPubSubServiceClient.from_connection_string(CONNECTION_STRING, hub=HUB)
    return WebPubSubServiceClient(SERVICE_URI, HUB, CREDENTIAL)


@app.route("negotiate", methods=["POST"])
def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    """A token for the user, with the group and a role in it."""
    wish = req.get_json()
    role = f"webpubsub.sendToGroup.{wish['group']}"
    token = open_client().get_client_access_token(
        user_id=wish["userId"], groups=[wish["group"]], roles=[role]
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
    """Adds the connection to a group and tells the group."""
    context = json.loads(request)["connectionContext"]
    client = open_client()
    client.add_connection_to_group("lobby", context["connectionId"])
    client.send_to_group("lobby", f"{context['userId']} joined", content_type="text/plain")
