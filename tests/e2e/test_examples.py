"""The examples of examples/, as they are, on the local stack and in Chromium."""

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from aiohttp.typedefs import Handler
from playwright.async_api import Browser, Page, expect

from localdev.stack import ROOT
from tests.e2e import identity_provider
from tests.e2e.conftest import UP
from tests.e2e.identity_provider import Provider
from tests.e2e.processes import Running, run
from tests.e2e.visitors import open_browser
from tests.presence.node import find_node

pytestmark = pytest.mark.asyncio

EXAMPLES = ROOT / "examples"
PRESENCE = {"USHER_ANNOUNCEMENT_FORMAT": "presence", "USHER_POLICY_FILE": "policy.json"}


async def new_page(browser: Browser, address: str) -> Page:
    """Open the address in a browser of its own, without cookies."""
    page = await (await browser.new_context()).new_page()
    await page.goto(address)
    return page


async def expect_talk(ana: Page, ben: Page) -> None:
    """Expect that two members see each other, and that one hears the other."""
    for page in (ana, ben):
        await expect(page.locator("#users li")).to_have_text(["ana", "ben"])
    await ana.get_by_placeholder("Message").fill("hello")
    await ana.get_by_role("button", name="Send").click()
    await expect(ben.locator("#messages li")).to_have_text(["ana: hello"])


# --- a backend with its own login, in `key` mode ------------------------------------------


@contextmanager
def run_backend(stack: Running, port: int) -> Iterator[str]:
    """Run the backend with the stack's function key; yield its address."""
    settings = {
        "USHER_URL": stack.facts["host"],
        "USHER_KEY": stack.facts["keys"]["function"],
        "USERS": "ana:one,ben:two",
        "PORT": str(port),
    }
    process = subprocess.Popen(
        [find_node(), EXAMPLES / "key-backend" / "server.mjs"],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[tuple[Running, str]]:
    find_node()
    port = unused_port()
    settings = {"USHER_AUTH": "key", "USHER_ALLOWED_ORIGINS": f"http://localhost:{port}"}
    with (
        run([*UP, "--keys"], tmp_path / "log", PRESENCE | settings) as stack,
        run_backend(stack, port) as address,
    ):
        yield stack, address


async def sign_in(browser: Browser, address: str, name: str, password: str) -> Page:
    page = await new_page(browser, address)
    await page.get_by_placeholder("Name").fill(name)
    await page.get_by_placeholder("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    return page


async def test_a_backend_with_its_own_login(backend: tuple[Running, str]) -> None:
    _, address = backend
    async with open_browser() as browser:
        ana = await sign_in(browser, address, "ana", "one")
        ben = await sign_in(browser, address, "ben", "two")
        await expect_talk(ana, ben)
        wrong = await sign_in(browser, address, "ana", "two")
        await expect(wrong.get_by_role("status")).to_have_text("Name or password is wrong.")


async def test_the_backend_asks_for_its_own_user_only(backend: tuple[Running, str]) -> None:
    """Without a login it asks nothing. The session names the user, and no answer has the key."""
    stack, address = backend
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:

        async def ask(method: str, path: str, **body: str) -> tuple[int, str]:
            json = body if method == "POST" else None
            async with session.request(method, address + path, json=json) as response:
                text = await response.text()
                assert stack.facts["keys"]["function"] not in text
                return response.status, text

        wanted = {"userId": "ben", "group": "lobby"}
        roster = "/api/groups/lobby/members"
        for name, password in (("ana", "two"), ("eve", "undefined"), ("ana", "")):
            assert (await ask("POST", "/login", name=name, password=password))[0] == 401
        assert (await ask("POST", "/api/negotiate", **wanted))[0] == 401
        assert (await ask("GET", roster))[0] == 401
        assert (await ask("POST", "/login", name="ana", password="one"))[0] == 204
        status, text = await ask("POST", "/api/negotiate", **wanted)
        assert (status, '"userId": "ana"' in text) == (200, True)
        assert (await ask("GET", roster))[0] == 200
        assert (await ask("GET", "/api/groups/user-ben/members?userId=ben"))[0] == 403
        assert (await ask("POST", "/api/negotiate", group="user-ben"))[0] == 403


# --- a static page with an OpenID Connect provider ----------------------------------------


class SignInPage:
    """Add an authorization endpoint with PKCE to a provider; everyone who asks is `user`."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.user = "ana"
        self.challenges: dict[str, str] = {}

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        self.challenges[self.user] = query["code_challenge"]
        back = urlencode({"code": self.user, "state": query["state"]})
        raise web.HTTPFound(f"{query['redirect_uri']}?{back}")

    async def issue(self, request: web.Request) -> web.StreamResponse:
        """Issue a token for a code, once, if the verifier belongs to its challenge (RFC 7636)."""
        form = await request.post()
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert self.challenges.pop(str(form["code"])) == challenge
        return web.json_response({"access_token": self.provider.token(sub=str(form["code"]))})

    async def discover(self, _request: web.Request) -> web.StreamResponse:
        url = self.provider.url_of
        return web.json_response(
            {
                "issuer": self.provider.issuer,
                "jwks_uri": url(identity_provider.KEYS),
                "authorization_endpoint": url("/authorize"),
                "token_endpoint": url("/token"),
            }
        )


@web.middleware
async def allow_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Allow pages of every origin to read the answers, as providers do for public clients."""
    response: web.StreamResponse = await handler(request)
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@asynccontextmanager
async def run_provider() -> AsyncIterator[SignInPage]:
    sign_in_page = SignInPage(Provider())
    application = web.Application(middlewares=[allow_pages])
    application.router.add_get(identity_provider.DISCOVERY, sign_in_page.discover)
    application.router.add_get("/authorize", sign_in_page.authorize)
    application.router.add_post("/token", sign_in_page.issue)
    application.router.add_get("/{path:.*}", sign_in_page.provider.answer)
    async with TestServer(application) as server:
        sign_in_page.provider.issuer = str(server.make_url("/tenant"))
        yield sign_in_page


@asynccontextmanager
async def serve_folder(folder: Path) -> AsyncIterator[str]:
    """Serve the page's files, as any web server does."""

    async def show_index(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(folder / "index.html")

    application = web.Application()
    application.router.add_get("/", show_index)
    application.router.add_static("/", folder)
    async with TestServer(application) as server:
        yield str(server.make_url("/"))


async def test_a_static_page_with_an_identity_provider(tmp_path: Path) -> None:
    """Only config.js is changed, as a reader changes it."""
    folder = tmp_path / "page"
    shutil.copytree(EXAMPLES / "oidc-page", folder)
    async with run_provider() as sign_in_page, serve_folder(folder) as address:
        issuer = sign_in_page.provider.issuer
        oidc = {
            "USHER_AUTH": "oidc",
            "USHER_OIDC_ISSUER": issuer,
            "USHER_OIDC_AUDIENCE": identity_provider.AUDIENCE,
            "USHER_ALLOWED_ORIGINS": address.rstrip("/"),
        }
        with run(UP, tmp_path / "log", PRESENCE | oidc) as stack:
            config = (folder / "config.js").read_text("utf-8")
            for example, own in (
                ("http://127.0.0.1:7071", stack.facts["host"]),
                ("https://login.example.com/", issuer),
            ):
                assert example in config
                config = config.replace(example, own)
            (folder / "config.js").write_text(config, "utf-8")
            async with open_browser() as browser:
                ana = await sign_in_at_provider(browser, address)
                sign_in_page.user = "ben"
                ben = await sign_in_at_provider(browser, address)
                await expect_talk(ana, ben)
                forged = await new_page(browser, f"{address}?code=ana&state=forged")
                text = "This sign-in was not started here."
                await expect(forged.get_by_role("status")).to_have_text(text)


async def sign_in_at_provider(browser: Browser, address: str) -> Page:
    page = await new_page(browser, address)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("status")).to_have_text("open")
    assert page.url == address  # neither code nor state stays in the address
    return page
