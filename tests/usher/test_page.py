import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.usher.settings import make_settings
from usher.errors import NotFoundError
from usher.page import check_page, content_security_policy
from usher.settings import Connection

PAGE = (Path(__file__).parents[2] / "web" / "demo.html").read_text("utf-8")


class Elements(HTMLParser):
    """Collect every start tag with its attributes, and the texts of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in self.texts and data.strip():
            self.texts[self.tags[-1][0]].append(data)


def directives(endpoint: str = "https://demo.webpubsub.azure.com") -> dict[str, list[str]]:
    policy = content_security_policy(PAGE, Connection(endpoint))
    return {name: values for name, *values in map(str.split, policy.split(";"))}


def test_without_its_setting_the_page_is_not_found() -> None:
    """The detail names the setting."""
    check_page(make_settings(demo=True))
    with pytest.raises(NotFoundError, match="USHER_DEMO") as caught:
        check_page(make_settings())
    assert caught.value.status == 404


@pytest.mark.parametrize(("name", "others"), [("script", ["'self'"]), ("style", [])])
def test_only_the_script_and_the_style_of_the_file_are_allowed(
    name: str, others: list[str]
) -> None:
    """There is one hash, and another HTML parser finds the same element. Modules are the app's."""
    (text,) = Elements(PAGE).texts[name]
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert directives()[f"{name}-src"] == [*others, f"'sha256-{digest}'"]


@pytest.mark.parametrize(
    ("endpoint", "socket"),
    [
        ("https://demo.webpubsub.azure.com", "wss://demo.webpubsub.azure.com"),
        ("https://http.example:8443", "wss://http.example:8443"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
    ],
)
def test_the_page_may_connect_to_the_app_and_the_service_only(endpoint: str, socket: str) -> None:
    assert directives(endpoint)["connect-src"] == ["'self'", socket]


def test_the_policy_refuses_everything_else() -> None:
    """Frames, base URLs, forms and HTML from text need their own directives."""
    found = directives()
    closed = ("default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types")
    assert [found[name] for name in closed] == [["'none'"]] * len(closed)
    assert found["require-trusted-types-for"] == ["'script'"]
    assert not re.search("unsafe|strict-dynamic", str(found))


def test_the_file_has_nothing_that_the_policy_refuses() -> None:
    """No handlers or styles in attributes, no resources of other origins, no HTML from text."""
    tags = Elements(PAGE).tags
    assert not [tag for tag, given in tags if any(re.match("on|style$", name) for name in given)]
    sources = [given[name] or "" for _, given in tags for name in ("src", "href") if name in given]
    assert not [source for source in sources if re.match(r"https?:|//", source)]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", PAGE)
