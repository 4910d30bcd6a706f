"""The function app: Flex Consumption, its settings, CORS, and what it runs."""

import pytest

from tests.infra import arm
from tests.infra.bicep import (
    FILES,
    INFRA,
    MAIN,
    ROOT,
    app_settings,
    chain,
    default_of,
    modules,
    nodes,
    read,
    resource,
    resources,
    text,
    tree,
)

APP = "app/function.bicep"


def test_the_plan_is_flex_consumption_with_one_app() -> None:
    """FC1 takes one app a plan; Linux is `reserved`."""
    (plan,) = [made for made in resources() if made.type == "Microsoft.Web/serverfarms"]
    (app,) = [made for made in resources() if made.type == "Microsoft.Web/sites"]
    assert plan.body["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan.properties["reserved"] is True
    assert app.body["kind"] == "functionapp,linux"
    assert chain(app.properties["serverFarmId"]) == "plan.id"


def test_the_runtime_is_the_python_that_is_developed_with() -> None:
    """pyproject.toml names the same one; a pinned azure-functions 2 installs on no older."""
    runtime = resource(APP, "app").properties["functionAppConfig"]["runtime"]
    assert runtime == {"name": "python", "version": "3.13"}
    assert 'requires-python = ">=3.13"' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert "azure-functions==2." in (ROOT / "requirements.txt").read_text("utf-8")


def test_scale_is_within_what_flex_takes() -> None:
    """512, 2048 or 4096 MB; 40 to 1,000 instances."""
    scale = resource(APP, "app").properties["functionAppConfig"]["scaleAndConcurrency"]
    assert scale["instanceMemoryMB"] in (512, 2048, 4096)
    assert 40 <= scale["maximumInstanceCount"] <= 1000
    assert scale["triggers"]["http"]["perInstanceConcurrency"] == "requestsPerInstance"


def test_events_scale_with_http() -> None:
    """A Web PubSub trigger is in the scale group `http` (azure-functions-host, PR 11489)."""
    ready = resource(APP, "app").properties["functionAppConfig"]["scaleAndConcurrency"]
    operands = ready["alwaysReady"]["operator"]["operands"]
    assert operands["false_value"] == [{"name": "http", "instanceCount": "alwaysReadyInstances"}]
    assert operands["true_value"] == []
    assert default_of("alwaysReadyInstances") == 0


def test_the_package_is_fetched_with_the_identity() -> None:
    """From a container that is there before the app: its name comes from the storage module."""
    config = resource(APP, "app").properties["functionAppConfig"]["deployment"]["storage"]
    assert config["type"] == "blobContainer"
    assert config["value"] == "${storage.properties.primaryEndpoints.blob}${containerName}"
    assert config["authentication"]["type"] == "UserAssignedIdentity"
    assert chain(config["authentication"]["userAssignedIdentityResourceId"]) == "identity.id"
    given = modules()["app"]["params"]["containerName"]
    assert chain(given) == "storage.outputs.containerName"


def test_the_host_reaches_storage_and_telemetry_by_identity() -> None:
    """Three settings for storage, two for Application Insights; no account key."""
    found = app_settings()
    assert found["AzureWebJobsStorage__credential"] == "managedidentity"
    assert chain(found["AzureWebJobsStorage__clientId"]) == "identity.properties.clientId"
    blobs = chain(found["AzureWebJobsStorage__blobServiceUri"])
    assert blobs == "storage.properties.primaryEndpoints.blob"
    authentication = found["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]
    assert authentication == "ClientId=${identity.properties.clientId};Authorization=AAD"
    connection = chain(found["APPLICATIONINSIGHTS_CONNECTION_STRING"])
    assert connection == "insights.properties.ConnectionString"
    assert "AzureWebJobsStorage" not in found


def test_no_setting_that_flex_refuses_or_ignores() -> None:
    """Nor the site property that other plans name the runtime with."""
    assert not app_settings().keys() & arm.FORBIDDEN_SETTINGS
    assert not any("linuxFxVersion" in (INFRA / file).read_text("utf-8") for file in FILES)


def test_the_site_takes_https_only_and_no_passwords() -> None:
    """TLS 1.2, no FTP, and basic publishing credentials off, both kinds."""
    properties = resource(APP, "app").properties
    assert properties["httpsOnly"] is True
    assert properties["siteConfig"]["minTlsVersion"] == "1.2"
    assert properties["siteConfig"]["ftpsState"] == "Disabled"
    policies = [made for made in resources(APP) if made.type.endswith("CredentialsPolicies")]
    assert {made.body["name"]: made.properties["allow"] for made in policies} == {
        "scm": False,
        "ftp": False,
    }


def test_pages_are_named_once_for_the_platform_and_the_app() -> None:
    """One required parameter; `none` is a choice, too. Cookies are not for other pages."""
    cors = resource(APP, "app").properties["siteConfig"]["cors"]
    assert cors == {"allowedOrigins": "origins", "supportCredentials": False}
    assert "var origins = allowedOrigins == 'none' ? [] : split(" in text(tree(APP))
    assert read(APP)["outputs"]["origins"]["value"] == "origins"
    assert chain(modules()["settings"]["params"]["origins"]) == "app.outputs.origins"
    join = app_settings()["USHER_ALLOWED_ORIGINS"]["function"]
    assert [*join["parameters"].values()] == ["origins", ","]


def may_be_empty(file: str, parameter: str) -> bool:
    """Whether a parameter may be an empty text; Azure Resource Manager refuses it otherwise."""
    decorators = read(file)["parameters"][parameter]["decorators"]
    return {"type": "min_length", "argument": 1} not in decorators


def given(symbol: str, parameter: str) -> str:
    """What main.bicep gives a module for a parameter, as it is written."""
    (call,) = [
        n
        for n in nodes(tree(MAIN), "module_declaration")
        if text(n).startswith(f"module {symbol} ")
    ]
    pairs = nodes(call, "object_property")
    (value,) = [text(p) for p in pairs if text(p).startswith(f"{parameter}: ")]
    return value.removeprefix(f"{parameter}: ")


def test_every_origin_is_refused_as_an_origin() -> None:
    """`*` would let any page ask in the name of who looks at it: an empty text takes its place."""
    assert given("app", "allowedOrigins") == "contains(allowedOrigins, '*') ? '' : allowedOrigins"
    assert not may_be_empty(APP, "allowedOrigins")


@pytest.mark.parametrize("parameter", ["oidcIssuer", "oidcAudience"])
def test_oidc_without_a_provider_is_refused(parameter: str) -> None:
    """In other modes the two are `none`, which the app does not read."""
    assert given("settings", parameter) == f"(authMode == 'oidc') ? {parameter} : 'none'"
    assert not may_be_empty("app/settings.bicep", parameter)
