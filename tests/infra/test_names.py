"""Names, tags, outputs, and the parameters that somebody must choose."""

import re

import pytest

from tests.infra import arm
from tests.infra.bicep import (
    FILES,
    MAIN,
    Resource,
    allowed,
    modules,
    nodes,
    read,
    resources,
    text,
    tree,
)

APP = "app/function.bicep"


def test_names_are_from_one_token() -> None:
    """A hash of subscription, environment and place, so that they are unique and stay."""
    (token,) = [n for n in nodes(tree(MAIN), "variable_declaration") if "uniqueString" in text(n)]
    expected = "toLower(uniqueString(subscription().id, environmentName, location))"
    assert text(token).endswith(expected)
    # Web PubSub: 3 to 63 characters, a letter first; storage: 24 at most, no hyphen.
    assert modules()["webPubSub"]["params"]["name"] == "wps-${token}"
    assert modules()["storage"]["params"]["name"] == "st${token}"


@pytest.mark.parametrize("made", resources(), ids=lambda made: f"{made.file}-{made.symbol}")
def test_everything_is_tagged(made: Resource) -> None:
    """With azd's environment; what cannot be tagged is named in arm.py."""
    assert ("tags" in made.body) is (made.type not in arm.UNTAGGED)


def test_azd_finds_the_app_by_its_tag() -> None:
    """`azd-service-name` is the service's key in azure.yaml, see test_azd.py."""
    assert text_of_tags() == "union(tags, { 'azd-service-name': 'usher' })"
    assert read(MAIN)["variables"]["tags"]["value"] == {"'azd-env-name'": "environmentName"}


def text_of_tags() -> str:
    pairs = nodes(tree(APP), "object_property")
    (found,) = [
        text(pair) for pair in pairs if "azd-service-name" in text(pair) and "tags:" in text(pair)
    ]
    return found.removeprefix("tags: ")


def test_outputs_are_what_the_hook_and_people_need() -> None:
    """And no output of any file is a key, a connection string or a secret."""
    assert read(MAIN)["outputs"].keys() == {
        "AZURE_RESOURCE_GROUP",
        "AZURE_FUNCTION_NAME",
        "USHER_URL",
    }
    secret = re.compile(r"(?i)key|secret|password|connectionstring|token")
    for file in FILES:
        for output in nodes(tree(file), "output_declaration"):
            assert not secret.search(text(output)), f"{file}: {text(output)}"


def test_the_choices_that_are_nobody_elses_have_no_default() -> None:
    """Where, for which pages, and how callers are told; never `local`, never every origin."""
    required = {
        name for name, found in read(MAIN)["parameters"].items() if found["default"] is None
    }
    assert required == {"environmentName", "location", "allowedOrigins", "authMode"}
    assert allowed("authMode") == ["easyauth", "oidc", "key", "anonymous"]


def test_azd_asks_for_a_region_as_a_region() -> None:
    """With a list to choose from."""
    decorators = read(MAIN)["parameters"]["location"]["decorators"]
    assert {"type": "metadata", "argument": {"azd": {"type": "location"}}} in decorators
