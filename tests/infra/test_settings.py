"""Every setting that the app reads is in the sample, and given by Bicep or left out on purpose."""

import ast
import json
import re
from collections.abc import Iterator

from tests.infra.bicep import INFRA, ROOT, app_settings

CONNECTION = "WebPubSubConnectionString"
# For the Web PubSub extension only.
OF_THE_EXTENSION = {f"{CONNECTION}__credential"}
# Members of the sample's WebPubSubConnectionString, in the identity form; they need no line there.
OF_THE_CONNECTION = {f"{CONNECTION}__serviceUri", f"{CONNECTION}__clientId"}


def texts(tree: ast.AST) -> Iterator[str]:
    """Every string, with the connection's name where an f-string starts with it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield CONNECTION + "".join(
                str(part.value) for part in node.values if isinstance(part, ast.Constant)
            )
        elif isinstance(node, ast.Constant):
            yield str(node.value)


def settings_read() -> set[str]:
    """The keys in usher/settings.py, whatever is added there."""
    source = ast.parse((ROOT / "usher/settings.py").read_text("utf-8"))
    key = re.compile(rf"USHER_[A-Z_]+|WebPubSubHub|{CONNECTION}(__[A-Za-z]+)?")
    return {text for text in texts(source) if key.fullmatch(text)}


def left_out() -> set[str]:
    """What settings.bicep names in a comment as left out on purpose."""
    source = (INFRA / "app/settings.bicep").read_text("utf-8")
    comments = re.findall(r"^//(.*)$", source.partition("\nparam ")[0], re.MULTILINE)
    _, _, named = "\n".join(comments).partition("Left out on purpose")
    return {*re.findall(r"\b(?:USHER_[A-Z_]+|WebPubSub\w+)\b", named)}


def test_the_keys_are_found() -> None:
    """Else the other tests here would say nothing."""
    few = {"USHER_AUTH", "USHER_JOIN_TEXT", "WebPubSubHub", CONNECTION}
    assert few | OF_THE_CONNECTION <= settings_read()


def test_the_sample_has_them() -> None:
    """A developer finds every setting in local.settings.sample.json."""
    sample = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]
    missing = settings_read() - sample.keys() - OF_THE_CONNECTION
    assert not missing, f"local.settings.sample.json lacks {sorted(missing)}"


def test_bicep_gives_them_or_says_that_it_does_not() -> None:
    """A setting that nobody thought of would be missing in Azure alone."""
    missing = settings_read() - app_settings().keys() - left_out()
    assert not missing, (
        f"infra/app/settings.bicep neither sets {sorted(missing)}"
        " nor names them in its comment as left out on purpose"
    )


def test_bicep_gives_no_other() -> None:
    """A key that the app does not read is a mistake in spelling."""
    given = {key for key in app_settings() if key.startswith(("USHER_", "WebPubSub"))}
    unknown = (given | left_out()) - settings_read() - OF_THE_EXTENSION
    assert not unknown, f"usher/settings.py does not read {sorted(unknown)}"


def test_bicep_does_not_say_both() -> None:
    """Given and left out."""
    assert not app_settings().keys() & left_out()
