"""Names, tags, outputs, and required parameters."""

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


def test_names_contain_one_token() -> None:
    """A hash of subscription, environment and region makes names unique and stable."""
    (token,) = [n for n in nodes(tree(MAIN), "variable_declaration") if "uniqueString" in text(n)]
    expected = "toLower(uniqueString(subscription().id, environmentName, location))"
    assert text(token).endswith(expected)
    # Web PubSub: 3 to 63 characters, a letter first; storage: 24 at most, no hyphen.
    assert name_of("webPubSub") == "wps-${token}"
    assert name_of("storage") == "st${token}"


def name_of(module: str) -> str:
    """Return the name of a module's resource, which is a variable of main.bicep."""
    found = read(MAIN)["variables"][modules()[module]["params"]["name"]]["value"]
    return str(found)


@pytest.mark.parametrize("item", resources(), ids=lambda item: f"{item.file}-{item.symbol}")
def test_every_resource_has_azd_s_tag(item: Resource) -> None:
    """arm.py lists the types that cannot have tags."""
    assert ("tags" in item.body) is (item.type not in arm.UNTAGGED)


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


def test_outputs_contain_no_secret() -> None:
    """They are what the hook and users need."""
    assert read(MAIN)["outputs"].keys() == {
        "AZURE_RESOURCE_GROUP",
        "AZURE_FUNCTION_NAME",
        "USHER_URL",
    }
    secret = re.compile(r"(?i)key|secret|password|connectionstring|token")
    for file in FILES:
        for output in nodes(tree(file), "output_declaration"):
            assert not secret.search(text(output)), f"{file}: {text(output)}"


def test_parameters_that_depend_on_the_deployment_have_no_default() -> None:
    """Mode `local` is not allowed in Azure."""
    required = {
        name for name, found in read(MAIN)["parameters"].items() if found["default"] is None
    }
    assert required == {"environmentName", "location", "allowedOrigins", "authMode"}
    assert allowed("authMode") == ["easyauth", "oidc", "key", "anonymous"]


def test_azd_offers_regions_with_flex_consumption() -> None:
    """The list is the one of Microsoft's quickstart, functions-quickstart-python-http-azd."""
    assert {"westeurope", "eastus2", "swedencentral", "australiaeast"} < {*allowed("location")}
    assert allowed("location") == sorted(allowed("location"))
    decorators = read(MAIN)["parameters"]["location"]["decorators"]
    assert {"type": "metadata", "argument": {"azd": {"type": "location"}}} in decorators


def test_the_documentation_finds_the_app_s_identity_by_its_name() -> None:
    """It asks for names that start with `id-`. The other identity must not match."""
    names = [name_of(symbol) for symbol in ("identity", "deployIdentity")]
    assert names == ["id-${token}", "deploy-${token}"]
