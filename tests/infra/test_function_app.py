"""The function app: Flex Consumption, settings, CORS and runtime."""

import pytest

from tests.infra import arm
from tests.infra.bicep import (
    FILES,
    INFRA,
    MAIN,
    ROOT,
    allowed,
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
    """An FC1 plan takes one app. `reserved` means Linux."""
    (plan,) = [item for item in resources() if item.type == "Microsoft.Web/serverfarms"]
    (app,) = [item for item in resources() if item.type == "Microsoft.Web/sites"]
    assert plan.body["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan.properties["reserved"] is True
    assert app.body["kind"] == "functionapp,linux"
    assert chain(app.properties["serverFarmId"]) == "plan.id"


def test_the_runtime_is_the_python_of_pyproject() -> None:
    """azure-functions 2 requires it."""
    runtime = resource(APP, "app").properties["functionAppConfig"]["runtime"]
    assert runtime == {"name": "python", "version": "pythonVersion"}
    assert (default_of("pythonVersion"), allowed("pythonVersion")) == ("3.13", ["3.13", "3.14"])
    assert 'requires-python = ">=3.13"' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert "azure-functions==2." in (ROOT / "requirements.txt").read_text("utf-8")


def test_scale_is_within_the_limits_of_flex_consumption() -> None:
    """512, 2048 or 4096 MB; 40 to 1,000 instances."""
    scale = resource(APP, "app").properties["functionAppConfig"]["scaleAndConcurrency"]
    assert scale["instanceMemoryMB"] == "instanceMemoryMB"
    assert (default_of("instanceMemoryMB"), allowed("instanceMemoryMB")) == (512, [512, 2048, 4096])
    assert scale["maximumInstanceCount"] == "maximumInstanceCount"
    limits = read(MAIN)["parameters"]["maximumInstanceCount"]["decorators"]
    assert [each["argument"] for each in limits if "value" in each["type"]] == [40, 1000]
    assert scale["triggers"]["http"]["perInstanceConcurrency"] == "requestsPerInstance"


def test_events_scale_with_http() -> None:
    """A Web PubSub trigger is in the scale group `http` (azure-functions-host, PR 11489)."""
    ready = resource(APP, "app").properties["functionAppConfig"]["scaleAndConcurrency"]
    operands = ready["alwaysReady"]["operator"]["operands"]
    assert operands["false_value"] == [{"name": "http", "instanceCount": "alwaysReadyInstances"}]
    assert operands["true_value"] == []
    assert default_of("alwaysReadyInstances") == 0


def test_the_package_is_fetched_with_an_identity() -> None:
    """The app waits for the roles, which wait for the container."""
    config = resource(APP, "app").properties["functionAppConfig"]["deployment"]["storage"]
    assert config["type"] == "blobContainer"
    assert config["value"] == "${storage.properties.primaryEndpoints.blob}${containerName}"
    assert config["authentication"]["type"] == "UserAssignedIdentity"
    assert chain(config["authentication"]["userAssignedIdentityResourceId"]) == "deployIdentity.id"
    for module in ("storage", "roles", "app"):
        assert modules()[module]["params"]["containerName"] == "containerName"
    assert "roles" in modules()["app"]["dependsOn"]
    assert "storage" in modules()["roles"]["dependsOn"]


def test_the_host_reaches_storage_and_telemetry_by_identity() -> None:
    """No setting has an account key."""
    found = app_settings()
    assert found["AzureWebJobsStorage__credential"] == "managedidentity"
    assert chain(found["AzureWebJobsStorage__clientId"]) == "identity.properties.clientId"
    blobs = chain(found["AzureWebJobsStorage__blobServiceUri"])
    assert blobs == "storage.properties.primaryEndpoints.blob"
    tables = chain(found["USHER_BANS_TABLE_URI"])
    assert (found["USHER_BANS"], tables) == ("table", "storage.properties.primaryEndpoints.table")
    authentication = found["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]
    assert authentication == "ClientId=${identity.properties.clientId};Authorization=AAD"
    connection = chain(found["APPLICATIONINSIGHTS_CONNECTION_STRING"])
    assert connection == "insights.properties.ConnectionString"
    assert "AzureWebJobsStorage" not in found


def test_no_setting_that_flex_refuses_or_ignores() -> None:
    """The site property that names the runtime on other plans is absent, too."""
    assert not app_settings().keys() & arm.FORBIDDEN_SETTINGS
    assert not any("linuxFxVersion" in (INFRA / file).read_text("utf-8") for file in FILES)


def test_the_site_takes_https_only_and_no_passwords() -> None:
    """TLS 1.2, no FTP, and no basic publishing credentials."""
    properties = resource(APP, "app").properties
    assert properties["httpsOnly"] is True
    assert properties["siteConfig"]["minTlsVersion"] == "1.2"
    assert properties["siteConfig"]["ftpsState"] == "Disabled"
    policies = [item for item in resources(APP) if item.type.endswith("CredentialsPolicies")]
    assert {item.body["name"]: item.properties["allow"] for item in policies} == {
        "scm": False,
        "ftp": False,
    }


def test_cors_and_the_app_allow_the_same_origins() -> None:
    """One required parameter sets both; `none` means no origin. Cookies are not allowed."""
    cors = resource(APP, "app").properties["siteConfig"]["cors"]
    assert cors == {"allowedOrigins": "origins", "supportCredentials": False}
    assert "var origins = allowedOrigins == 'none' ? [] : split(" in text(tree(APP))
    assert read(APP)["outputs"]["origins"]["value"] == "origins"
    assert chain(modules()["settings"]["params"]["origins"]) == "app.outputs.origins"
    join = app_settings()["USHER_ALLOWED_ORIGINS"]["function"]
    assert [*join["parameters"].values()] == ["origins", ","]


def may_be_empty(file: str, parameter: str) -> bool:
    """Return whether a parameter may be empty; Azure Resource Manager refuses it otherwise."""
    decorators = read(file)["parameters"][parameter]["decorators"]
    return {"type": "min_length", "argument": 1} not in decorators


def argument(symbol: str, parameter: str) -> str:
    """Return the source of what main.bicep passes to a module for a parameter."""
    (call,) = [
        n
        for n in nodes(tree(MAIN), "module_declaration")
        if text(n).startswith(f"module {symbol} ")
    ]
    pairs = nodes(call, "object_property")
    (value,) = [text(p) for p in pairs if text(p).startswith(f"{parameter}: ")]
    return value.removeprefix(f"{parameter}: ")


def test_the_origin_star_is_refused() -> None:
    """`*` would allow every page to call with its visitor's identity. An empty text replaces it."""
    assert (
        argument("app", "allowedOrigins") == "contains(allowedOrigins, '*') ? '' : allowedOrigins"
    )
    assert not may_be_empty(APP, "allowedOrigins")


@pytest.mark.parametrize("parameter", ["oidcIssuer", "oidcAudience"])
def test_oidc_without_a_provider_is_refused(parameter: str) -> None:
    """In other modes both parameters are `none`, which the app does not read."""
    assert argument("settings", parameter) == f"(authMode == 'oidc') ? {parameter} : 'none'"
    assert not may_be_empty("app/settings.bicep", parameter)


def test_the_key_of_the_state_is_set_only_if_there_is_one() -> None:
    """An empty setting would be a key, too. The value is a Key Vault reference, and secret."""
    assert "empty(stateKey) ? {} : stateSettings" in text(tree("app/settings.bicep"))
    assert read("app/settings.bicep")["variables"]["stateSettings"]["value"] == {
        "USHER_STATE_KEY": "stateKey"
    }
    for file in (MAIN, "app/settings.bicep"):
        decorators = read(file)["parameters"]["stateKey"]["decorators"]
        assert "secure" in [each["type"] for each in decorators]
    assert default_of("stateKey") == ""
