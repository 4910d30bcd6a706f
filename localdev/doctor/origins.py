"""The checks `cors` and `pages`: which web pages can call negotiate, and which can connect.

CORS is decided by the Functions host, the WebSocket by the app in `connect`.
"""

from dataclasses import dataclass

from localdev.doctor.calls import Answer
from localdev.doctor.client import FOREIGN_ORIGIN, RefusedError, open_client
from localdev.doctor.context import Context
from localdev.doctor.findings import Finding, failure, fine, skipped, warning

NEGOTIATE = "/api/negotiate"
# A JSON body, and in some modes a bearer token, make a browser send a preflight (Fetch standard).
REQUEST_HEADERS = "authorization,content-type"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a browser would not send the call after this preflight."""

    origin: str
    reason: str
    is_redirect: bool = False


async def check_cors(context: Context) -> Finding:
    """Check that each origin may call negotiate, and without `*` that no other origin may."""
    named = [origin for origin in context.origins if origin != "*"]
    checked = [judge_preflight(await _preflight(context, origin), origin) for origin in named]
    if rejections := [each for each in checked if each is not None]:
        return _judge_rejections(context, rejections)
    foreign = await _preflight(context, FOREIGN_ORIGIN)
    return _judge_foreign_origin(context, foreign, named)


async def _preflight(context: Context, origin: str) -> Answer:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": REQUEST_HEADERS,
    }
    return await context.ask_app("OPTIONS", NEGOTIATE, headers)


def judge_preflight(answer: Answer, origin: str) -> Rejection | None:
    """Return why a browser would stop after this answer; None if it would go on."""
    status = answer.status
    if 300 <= status < 400:
        return Rejection(origin, "a redirect, which no browser follows", is_redirect=True)
    if not _allows(answer, origin):
        return Rejection(origin, f"the answer {status} does not allow this origin")
    if not 200 <= status < 300:
        return Rejection(origin, f"the answer allows this origin, but its status is {status}")
    is_wildcard = answer.headers.get("Access-Control-Allow-Origin") == "*"
    if is_wildcard and answer.headers.get("Access-Control-Allow-Credentials") == "true":
        return Rejection(origin, "browsers reject `*` together with credentials")
    headers = answer.headers.get("Access-Control-Allow-Headers", "").lower()
    if headers != "*" and "content-type" not in headers:
        return Rejection(origin, "the answer does not allow the header Content-Type")
    return None


def _allows(answer: Answer, origin: str) -> bool:
    return answer.headers.get("Access-Control-Allow-Origin") in (origin, "*")


def _judge_rejections(context: Context, rejections: list[Rejection]) -> Finding:
    saw = "; ".join(f"preflight from {each.origin}: {each.reason}" for each in rejections)
    means = "Pages of this origin cannot call negotiate."
    if any(each.is_redirect for each in rejections):
        fix = (
            "Use https in --app, and let App Service Authentication answer 401 instead of a "
            "redirect (`unauthenticatedClientAction` Return401)."
        )
    else:
        fix = context.fixes.allow_cors_origins([each.origin for each in rejections])
    return failure(saw, means, fix)


def _judge_foreign_origin(context: Context, answer: Answer, named: list[str]) -> Finding:
    expects_all = "*" in context.origins
    if not _allows(answer, FOREIGN_ORIGIN):
        if expects_all:
            reason = f"the answer {answer.status} allows no origin"
            return _judge_rejections(context, [Rejection("*", reason)])
        return fine(f"{_list(named)} may call negotiate, other pages may not")
    if expects_all:
        return fine("pages of every origin may call negotiate, as intended")
    return warning(
        f"preflight from {FOREIGN_ORIGIN}: allowed",
        "Any web page can read what negotiate answers to its visitors.",
        context.fixes.remove_cors_wildcard(),
    )


async def check_pages(context: Context) -> Finding:
    """Check that pages of the named origins can connect, and that other pages cannot."""
    if context.token is None:
        return skipped("needs a token from negotiate")
    if context.mode == "local":
        return skipped("in local mode, pages of every origin can connect")
    named = [origin for origin in context.origins if origin != "*"]
    rejected = [origin for origin in named if not await _can_connect(context, origin)]
    if rejected:
        return failure(
            f"the client of a page at {' and '.join(rejected)} was rejected",
            "USHER_ALLOWED_ORIGINS does not contain this origin. It controls who may connect; CORS "
            "only controls who may call negotiate.",
            context.fixes.allow_socket_origins(rejected),
        )
    if await _can_connect(context, FOREIGN_ORIGIN):
        return warning(
            f"the client of a page at {FOREIGN_ORIGIN} was accepted",
            "The event handler does not send connect, so the app cannot check the page's origin.",
            context.fixes.set_event_handler(),
        )
    return fine(f"{_list(named)} can connect, other pages cannot")


async def _can_connect(context: Context, origin: str) -> bool:
    url = context.token.url if context.token else ""
    try:
        async with open_client(context.session, url, origin):
            return True
    except RefusedError:
        return False


def _list(origins: list[str]) -> str:
    return f"pages of {', '.join(origins)}" if origins else "pages of the app itself"
