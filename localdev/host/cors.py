"""CORS before everything that the host serves, as Core Tools configures it.

Sources: azure-functions-core-tools StartHostAction.cs (WithOrigins), aspnetcore CorsService.cs;
recordings of the host.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from localdev.host.bindings import Answer, Headers, join_headers

ANY_ORIGIN = ("*",)


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Which origins may read responses (only ``*`` for all), and whether browsers send cookies."""

    origins: tuple[str, ...]
    credentials: bool = False

    def answer_preflight(self, method: str, headers: Mapping[str, str]) -> Answer | None:
        """Return the response to a browser's preflight, or None for another request.

        ``headers`` has its names in lower case. Other origins get a response without permission.
        """
        wanted = headers.get("access-control-request-method")
        if method != "OPTIONS" or not self.origins or wanted is None or "origin" not in headers:
            return None
        permission = self._response_headers(headers["origin"])
        if not permission:
            return Answer(204)
        extra = [("Access-Control-Allow-Methods", wanted)] if wanted else []
        if asked := headers.get("access-control-request-headers"):
            names = ",".join(name.strip() for name in asked.split(","))
            extra.append(("Access-Control-Allow-Headers", names))
        return Answer(204, (*permission, *extra))

    def permit(self, answer: Answer, origin: str | None) -> Answer:
        """Return the answer with the headers for the request's origin; they replace its own."""
        permission = self._response_headers(origin)
        if not permission:
            return answer
        replaced = join_headers(permission).keys() - {"vary"}
        kept = (pair for pair in answer.headers if pair[0].lower() not in replaced)
        return replace(answer, headers=(*kept, *permission))

    def _response_headers(self, origin: str | None) -> Headers:
        if not origin:
            return ()
        if self.origins == ANY_ORIGIN:
            return (("Access-Control-Allow-Origin", "*"),)
        if origin not in self.origins:
            return ()
        permission = (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))
        if self.credentials:
            return (*permission, ("Access-Control-Allow-Credentials", "true"))
        return permission
