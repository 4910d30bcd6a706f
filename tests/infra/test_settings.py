"""Every setting of the app is in the sample, and Bicep sets it or leaves it out on purpose."""

import ast
import json
import re
from collections.abc import Iterator

from tests.infra.bicep import INFRA, ROOT, app_settings

CONNECTION = "WebPubSubConnectionString"
OF_CONNECT_HUB = {"USHER_KEEP_ALIVE_SECONDS"}  # read by connect-hub, which passes it to hub.bicep
# Read by the Web PubSub extension only.
OF_THE_EXTENSION = {f"{CONNECTION}__credential"}
# Parts of the identity form of WebPubSubConnectionString; the sample needs no line for them.
OF_THE_CONNECTION = {f"{CONNECTION}__serviceUri", f"{CONNECTION}__clientId"}


def strings(tree: ast.AST) -> Iterator[str]:
    """Yield every string. The connection's name replaces what an f-string starts with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield CONNECTION + "".join(
                str(part.value) for part in node.values if isinstance(part, ast.Constant)
            )
        elif isinstance(node, ast.Constant):
            yield str(node.value)


def settings_read() -> set[str]:
    """Return the names of settings that the app reads."""
    modules = [ROOT / "usher" / name for name in ("settings.py", "door/modes.py")]
    source = ast.parse("".join(module.read_text("utf-8") for module in modules))
    key = re.compile(rf"USHER_[A-Z_]+|WebPubSubHub|{CONNECTION}(__[A-Za-z]+)?")
    return {each for each in strings(source) if key.fullmatch(each)}


def left_out() -> set[str]:
    """Return the settings that a comment in settings.bicep lists as left out on purpose."""
    source = (INFRA / "app/settings.bicep").read_text("utf-8")
    comments = re.findall(r"^//(.*)$", source.partition("\nparam ")[0], re.MULTILINE)
    _, _, named = "\n".join(comments).partition("Left out on purpose")
    return {*re.findall(r"\b(?:USHER_[A-Z_]+|WebPubSub\w+)\b", named)}


def test_settings_are_found() -> None:
    """Without them the other tests would prove nothing."""
    some = {"USHER_AUTH", "USHER_JOIN_TEXT", "WebPubSubHub", CONNECTION}
    assert some | OF_THE_CONNECTION <= settings_read()


def test_the_sample_has_every_setting() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]
    missing = settings_read() - sample.keys() - OF_THE_CONNECTION
    assert not missing, f"local.settings.sample.json lacks {sorted(missing)}"


def test_bicep_sets_every_setting_or_lists_it_as_left_out() -> None:
    """A forgotten setting would be missing only in Azure."""
    missing = settings_read() - app_settings().keys() - left_out()
    assert not missing, (
        f"infra/app/settings.bicep neither sets {sorted(missing)}"
        " nor names them in its comment as left out on purpose"
    )


def test_bicep_sets_no_unknown_setting() -> None:
    """It would be a spelling mistake."""
    defined = {key for key in app_settings() if key.startswith(("USHER_", "WebPubSub"))}
    unknown = (defined | left_out()) - settings_read() - OF_THE_EXTENSION - OF_CONNECT_HUB
    assert not unknown, f"usher/settings.py does not read {sorted(unknown)}"


def test_no_setting_is_both_set_and_left_out() -> None:
    assert not app_settings().keys() & left_out()
