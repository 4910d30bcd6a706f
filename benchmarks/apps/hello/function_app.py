"""Hello world at the route `negotiate`, which all these apps have."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("negotiate", methods=["POST"])
async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    """Return a fixed text."""
    return func.HttpResponse("hello, world")
