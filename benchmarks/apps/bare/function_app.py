"""Sign a client access token with the standard library. A floor: nothing is checked."""

import base64
import hmac
import json
import os
import time

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

SETTING = os.environ["WebPubSubConnectionString"]
PARTS = dict(part.split("=", 1) for part in SETTING.split(";") if part)
AUDIENCE = f"{PARTS['Endpoint']}/client/hubs/{os.environ['WebPubSubHub']}"
KEY = PARTS["AccessKey"].encode()


def encode(data: bytes) -> bytes:
    """Encode as base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


HEAD = encode(b'{"alg":"HS256","typ":"JWT"}')


@app.route("negotiate", methods=["POST"])
async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    """Return a token with the same claims as Usher's."""
    body = json.loads(req.get_body())
    now = int(time.time())
    claims = {
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 3600,
        "sub": body["userId"],
        "role": [f"webpubsub.sendToGroup.{body['group']}"],
        "webpubsub.group": [body["group"]],
    }
    signed = HEAD + b"." + encode(json.dumps(claims).encode())
    token = (signed + b"." + encode(hmac.digest(KEY, signed, "sha256"))).decode()
    url = f"{AUDIENCE.replace('http', 'ws', 1)}?access_token={token}"
    return func.HttpResponse(json.dumps({"url": url}), mimetype="application/json")
