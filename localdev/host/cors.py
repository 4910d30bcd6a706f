"""CORS for the functions' routes, as Core Tools configures it from local.settings.json."""

from collections.abc import Mapping
from dataclasses import dataclass

from localdev.host.bindings import Answer, Headers

MAX_AGE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Which origins may read responses (``*`` for all), and whether browsers may send cookies."""

    origins: tuple[str, ...]
    credentials: bool = False

    def answer_preflight(self, method: str, headers: Mapping[str, str]) -> Answer | None:
        """Return the response to a browser's preflight, or None for another request.

        ``headers`` has its names in lower case. Other origins get a response without permission.
        """
        wanted = headers.get("access-control-request-method")
        if method != "OPTIONS" or not self.origins or not wanted or "origin" not in headers:
            return None
        permission = self.response_headers(headers)
        if not permission:
            return Answer(204)
        extra = [
            ("Access-Control-Allow-Methods", wanted),
            ("Access-Control-Max-Age", str(MAX_AGE_SECONDS)),
        ]
        if "access-control-request-headers" in headers:
            asked = headers["access-control-request-headers"]
            extra.append(("Access-Control-Allow-Headers", asked))
        return Answer(204, (*permission, *extra))

    def response_headers(self, headers: Mapping[str, str]) -> Headers:
        """Return the response headers for this request's origin, none if it is not allowed."""
        origin = headers.get("origin")
        if origin is None or not ("*" in self.origins or origin in self.origins):
            return ()
        permission = (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))
        # Browsers refuse "any origin" together with cookies, so `*` never carries them.
        if self.credentials and "*" not in self.origins:
            return (*permission, ("Access-Control-Allow-Credentials", "true"))
        return permission
