"""The identity provider of `oidc` mode, asked as the app asks it: discovery document, then keys."""

from urllib.parse import urlsplit

import jwt

from localdev.addresses import is_protected
from localdev.doctor.calls import UnreachableError, call
from localdev.doctor.context import Context
from localdev.doctor.findings import Finding, failure

DISCOVERY_PATH = "/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0, section 4
ISSUER = "USHER_OIDC_ISSUER"


class ProviderError(Exception):
    """The provider gave no usable answer: what was seen, what it means and the fix."""

    def __init__(self, saw: str, means: str, fix: str) -> None:
        super().__init__(saw)
        self.saw, self.means, self.fix = saw, means, fix


def find_issuer(context: Context) -> str | None:
    """Return the issuer of the settings of this folder, or of the bearer token; None if unknown."""
    if context.issuer or context.target.bearer is None:
        return context.issuer
    try:
        claims = jwt.decode(context.target.bearer, options={"verify_signature": False})
    except jwt.PyJWTError:
        return None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) and is_protected(issuer) else None


async def find_fault(context: Context, issuer: str) -> Finding | None:
    """Return why the app cannot get the provider's keys; None if they can be read from here."""
    try:
        uri = await _read_discovery(context, issuer)
        await _read_keys(context, issuer, uri)
    except ProviderError as error:
        return failure(error.saw, error.means, error.fix)
    return None


async def _read_discovery(context: Context, issuer: str) -> str:
    """Return `jwks_uri`. Raises ProviderError."""
    document = await _get(context, issuer, issuer.rstrip("/") + DISCOVERY_PATH)
    named, uri = document.get("issuer"), document.get("jwks_uri")
    if named != issuer:
        saw = f"the discovery document of {issuer} names the issuer {named}"
        means = "The app accepts the document only if it names exactly the issuer of the setting."
        raise ProviderError(saw, means, context.fixes.change_setting(ISSUER, str(named)))
    if not isinstance(uri, str) or not is_protected(uri):
        saw = f"the discovery document of {issuer} has no jwks_uri with https"
        raise ProviderError(saw, *_provider_is_wrong())
    return uri


async def _read_keys(context: Context, issuer: str, uri: str) -> None:
    keys = (await _get(context, issuer, uri)).get("keys")
    if not isinstance(keys, list) or not keys:
        raise ProviderError(f"{uri} contains no keys", *_provider_is_wrong())


def _provider_is_wrong() -> tuple[str, str]:
    means = "The app needs the provider's keys to verify tokens."
    return means, "Correct the identity provider (OpenID Connect Discovery 1.0, section 3)."


async def _get(context: Context, issuer: str, url: str) -> dict[str, object]:
    means = f"{ISSUER} is not the address of an identity provider, or the provider does not run."
    fix = context.fixes.correct_issuer(issuer)
    try:
        answer = await call(context.session, "GET", url)
    except UnreachableError as error:
        raise ProviderError(f"{_place(url)} does not answer ({error})", means, fix) from None
    if answer.status != 200:
        raise ProviderError(f"GET {_place(url)} returned {answer.status}", means, fix)
    if not answer.body:
        raise ProviderError(f"GET {_place(url)} returned no JSON object", means, fix)
    return answer.body


def _place(url: str) -> str:
    # Without a query, which nobody has checked for secrets.
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
