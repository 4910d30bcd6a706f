"""Hello world, at the route that all apps here have."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("negotiate", methods=["POST"])
async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    """Says hello."""
    return func.HttpResponse("hello, world")
