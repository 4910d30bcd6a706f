"""The pytest plugin in a child pytest, with and without plugins for asyncio."""

import pytest

# Plugins of the child. It does not load all that are installed here, which would take long.
PLAIN = ("-p", "webpubsub_emulator.pytest_plugin")
ASYNCIO = (
    *(*PLAIN, "-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto"),
    *("-o", "asyncio_default_fixture_loop_scope=function"),
)
ANYIO = (*PLAIN, "-p", "anyio.pytest_plugin")

SUPPORT = """
import contextlib, http.client, http.server, threading, urllib.request
import jwt, pytest
from webpubsub_emulator import ACCESS_KEY, sign_data_plane_token

def send(webpubsub, text, path=":send"):
    url = f"{webpubsub.endpoint}/api/hubs/chat/{path}?api-version=2024-12-01"
    headers = {"Authorization": f"Bearer {sign_data_plane_token(ACCESS_KEY)}",
               "Content-Type": "text/plain"}
    request = urllib.request.Request(url, text.encode(), headers, method="POST")
    urllib.request.urlopen(request).close()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_OPTIONS(self):
        self.send_response(200)
        self.send_header("WebHook-Allowed-Origin", "*")
        self.end_headers()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append(self.headers["ce-eventName"])
        is_connect = self.headers["ce-eventName"] == "connect"
        self.send_response(self.server.on_connect if is_connect else self.server.on_others)
        self.end_headers()
    def log_message(self, *_):
        pass

@pytest.fixture
def broken_app(webpubsub):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.on_connect, server.on_others, server.posts = 204, 500, []
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    webpubsub.add_event_handler("chat", f"http://127.0.0.1:{server.server_port}/")
    yield server
    server.shutdown()
    server.server_close()

def open_client(webpubsub):
    '''Return an HTTP connection that was asked to become a WebSocket.'''
    target = f"{webpubsub.endpoint}/client/hubs/chat"
    token = jwt.encode({"aud": target, "exp": 2**32, "sub": "ann"}, ACCESS_KEY, "HS256")
    connection = http.client.HTTPConnection(webpubsub.endpoint.removeprefix("http://"))
    connection.request("GET", "/client/hubs/chat", headers={
        "Authorization": f"Bearer {token}", "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="})
    return connection

def connect(webpubsub):
    '''Return the status of a client's handshake.'''
    with contextlib.closing(open_client(webpubsub)) as connection:
        with connection.getresponse() as response:
            return response.status
"""
SYNC_TESTS = """
import asyncio
import pytest
from support import broken_app, connect, open_client, send

ports = set()

@pytest.mark.parametrize("number", [1, 2])
def test_each_test_has_a_new_emulator(webpubsub, number):
    assert webpubsub.messages("chat") == []
    send(webpubsub, "hello")
    assert [message.data for message in webpubsub.messages("chat")] == ["hello"]
    ports.add(webpubsub.endpoint)
    assert len(ports) == number

@pytest.mark.parametrize("number", [1, 2])
def test_one_server_for_all_tests(webpubsub_server, number):
    send(webpubsub_server, "hello")
    assert len(webpubsub_server.messages("chat")) == number

def test_evidence(webpubsub):
    send(webpubsub, "hello", "groups/lobby/:send")
    webpubsub.wait_for(lambda: len(webpubsub.messages("chat")) == 2, seconds=0.1)

def test_no_blocking_in_a_loop(webpubsub):
    async def main():
        with pytest.raises(RuntimeError, match="await webpubsub.wait_for_async"):
            webpubsub.wait_for(lambda: True)
        return await webpubsub.wait_for_async(lambda: "found")
    assert asyncio.run(main()) == "found"

def test_a_failed_event(webpubsub, broken_app):
    assert connect(webpubsub) == 101
    webpubsub.wait_for(lambda: broken_app.posts.count("connected") == 4)

def test_an_expected_failure(webpubsub, broken_app):
    webpubsub.expect_failed_events("connected", "disconnected")
    assert connect(webpubsub) == 101
    webpubsub.wait_for(lambda: broken_app.posts.count("connected") == 4)

@pytest.fixture
def clients(webpubsub):
    opened = []
    yield opened
    for client in opened:
        client.close()
    webpubsub.wait_for(lambda: not webpubsub.connections("chat"))

def test_an_app_that_stopped_before_its_clients_is_no_failure(clients, webpubsub, broken_app):
    broken_app.on_others = 204
    clients.append(open_client(webpubsub))
    webpubsub.wait_for(lambda: broken_app.posts == ["connect", "connected"])

def test_a_refused_client_is_no_failure(webpubsub, broken_app):
    broken_app.on_connect = 403
    assert connect(webpubsub) == 403
"""
ASYNC_TEST = """
import asyncio, threading
import pytest

@pytest.fixture
async def loop_of_the_test(webpubsub):
    return asyncio.get_running_loop()

@MARK
async def test_waiting(webpubsub, loop_of_the_test):
    assert asyncio.get_running_loop() is loop_of_the_test
    with pytest.raises(RuntimeError, match="wait_for_async"):
        webpubsub.wait_for(lambda: True)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("webpubsub-emulator") == 1
    assert await webpubsub.wait_for_async(lambda: 5) == 5
"""


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, plugins: tuple[str, ...]) -> pytest.RunResult:
    """Run pytest in a process, with warnings as errors."""
    return pytester.runpytest_subprocess(*plugins, "-W", "error", "-p", "no:cacheprovider")


@pytest.mark.parametrize("plugins", [PLAIN, ASYNCIO], ids=["plain", "asyncio"])
def test_synchronous_tests(pytester: pytest.Pytester, plugins: tuple[str, ...]) -> None:
    """Emulators of a test and of the run, evidence, and events that fail."""
    pytester.makepyfile(support=SUPPORT, test_sync=SYNC_TESTS)
    result = run(pytester, plugins)
    result.assert_outcomes(passed=9, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_a_failed_event*",
            "Event deliveries failed:",
            "  chat: event connected: status 500 (attempts: 4)",
            "*AssertionError: The condition was not met in time.",
            "*Last messages:",
            "*  chat: 'hello' from the app in group 'lobby' to nobody",
            "*Connections:",
            "*  none",
            "*Failed event deliveries:",
            "*  none",
        ],
    )


@pytest.mark.parametrize(
    ("plugins", "mark"),
    [(ASYNCIO, ""), (ANYIO, "pytest.mark.anyio")],
    ids=["asyncio", "anyio"],
)
def test_coroutines(pytester: pytest.Pytester, plugins: tuple[str, ...], mark: str) -> None:
    """The emulator has a loop of its own, and the test keeps the loop of its plugin."""
    pytester.makepyfile(ASYNC_TEST.replace("@MARK", f"@{mark}" if mark else ""))
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'")
    result = run(pytester, plugins)
    result.assert_outcomes(passed=1)


def test_a_run_without_the_fixtures_imports_nothing(pytester: pytest.Pytester) -> None:
    """Only the package and the plugin, which need no other package than pytest."""
    pytester.makepyfile(
        """
        import sys

        def test_modules():
            ours = {name for name in sys.modules if name.startswith("webpubsub_emulator")}
            assert ours == {"webpubsub_emulator", "webpubsub_emulator.pytest_plugin"}
            assert not {"aiohttp", "jwt", "asyncio"} & sys.modules.keys()
        """
    )
    run(pytester, PLAIN).assert_outcomes(passed=1)
