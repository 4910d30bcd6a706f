"""Access: identity, roles, disabled keys, App Service Authentication."""

from itertools import chain as flatten

import pytest

from tests.infra import arm
from tests.infra.bicep import (
    MAIN,
    Resource,
    chain,
    modules,
    nodes,
    read,
    resource,
    resources,
    text,
    tree,
)

APP = "app/function.bicep"


def test_storage_has_no_keys_and_no_public_blobs() -> None:
    """It requires TLS 1.2."""
    properties = resource("app/storage.bicep", "account").properties
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["minimumTlsVersion"] == "TLS1_2"


def test_the_identity_is_user_assigned() -> None:
    """It has its roles before the app first starts."""
    identity = resource(APP, "app").body["identity"]
    assert identity == {
        "type": "UserAssigned",
        "userAssignedIdentities": {"'${identity.id}'": {}},
    }
    assert "roles" in modules()["app"]["dependsOn"]


def test_roles_have_the_ids_of_the_built_in_roles() -> None:
    found = {
        name: variable["value"] for name, variable in read("app/roles.bicep")["variables"].items()
    }
    assert found == arm.ROLES


@pytest.mark.parametrize("item", resources("app/roles.bicep"), ids=lambda item: item.symbol)
def test_a_role_is_scoped_to_one_resource_and_has_a_stable_name(item: Resource) -> None:
    """The name is a hash of resource, identity and role."""
    role = item.properties["roleDefinitionId"]["function"]["parameters"]
    name = [*item.body["name"]["function"]["parameters"].values()]
    flat = [
        chain(part)
        for part in flatten.from_iterable([p] if not isinstance(p, list) else p for p in name)
    ]
    scope = item.body["scope"]
    assert flat == [f"{scope}.id", "principalId", flat[-1]]
    assert flat[-1] in arm.ROLES
    assert flat[-1] in str(role)
    assert item.properties["principalType"] == "ServicePrincipal"
    assert item.properties["principalId"] == "principalId"


def test_there_are_roles_for_storage_telemetry_and_web_pubsub() -> None:
    scopes = {item.body["scope"] for item in resources("app/roles.bicep")}
    assert scopes == {"storage", "insights", "webPubSub"}


def test_app_service_authentication_excludes_events_and_health() -> None:
    """The host checks the system key of events."""
    properties = resource("app/authentication.bicep", "authentication").properties
    rules = properties["globalValidation"]
    assert rules["requireAuthentication"] is True
    assert rules["unauthenticatedClientAction"] == "Return401"
    assert rules["redirectToProvider"] == "azureactivedirectory"
    assert rules["excludedPaths"] == ["/runtime/webhooks/webpubsub", "/api/health"]
    assert properties["platform"] == {"enabled": True, "runtimeVersion": "~1"}
    assert properties["httpSettings"]["requireHttps"] is True


def test_app_service_authentication_has_no_secret() -> None:
    """Callers bring a token of this tenant for the app registration, whose id is required."""
    properties = resource("app/authentication.bicep", "authentication").properties
    provider = properties["identityProviders"]["azureActiveDirectory"]
    assert provider["registration"].keys() == {"clientId", "openIdIssuer"}
    issuer = "${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0"
    assert provider["registration"]["openIdIssuer"] == issuer
    assert provider["validation"]["allowedAudiences"] == ["clientId", "api://${clientId}"]
    decorators = read("app/authentication.bicep")["parameters"]["clientId"]["decorators"]
    assert decorators == [{"type": "min_length", "argument": 36}]


def test_app_service_authentication_is_deployed_for_easyauth() -> None:
    """The two configurations of the app are not written at the same time."""
    (call,) = [
        n for n in nodes(tree(MAIN), "module_declaration") if "authentication.bicep" in text(n)
    ]
    assert "= if (authMode == 'easyauth') {" in text(call)
    assert "settings" in modules()["authentication"]["dependsOn"]
