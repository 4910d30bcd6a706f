"""Who may what: identity, roles, keys that there are not, App Service Authentication."""

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
    """TLS 1.2 at least."""
    properties = resource("app/storage.bicep", "account").properties
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["minimumTlsVersion"] == "TLS1_2"


def test_the_identity_is_user_assigned() -> None:
    """So that it can have its roles before the app first starts, and it does."""
    identity = resource(APP, "app").body["identity"]
    assert identity == {
        "type": "UserAssigned",
        "userAssignedIdentities": {"'${identity.id}'": {}},
    }
    assert "roles" in modules()["app"]["dependsOn"]


def test_roles_are_the_built_in_ones() -> None:
    """Each by its name and its id."""
    found = {name: made["value"] for name, made in read("app/roles.bicep")["variables"].items()}
    assert found == arm.ROLES


@pytest.mark.parametrize("made", resources("app/roles.bicep"), ids=lambda made: made.symbol)
def test_a_role_is_for_one_resource_and_has_a_lasting_name(made: Resource) -> None:
    """Named by resource, identity and role; for a service principal."""
    role = made.properties["roleDefinitionId"]["function"]["parameters"]
    name = [*made.body["name"]["function"]["parameters"].values()]
    flat = [
        chain(part)
        for part in flatten.from_iterable([p] if not isinstance(p, list) else p for p in name)
    ]
    scope = made.body["scope"]
    assert flat == [f"{scope}.id", "principalId", flat[-1]]
    assert flat[-1] in arm.ROLES
    assert flat[-1] in str(role)
    assert made.properties["principalType"] == "ServicePrincipal"
    assert made.properties["principalId"] == "principalId"


def test_there_is_a_role_for_each_need() -> None:
    """Storage, telemetry, and Web PubSub's data plane."""
    scopes = {made.body["scope"] for made in resources("app/roles.bicep")}
    assert scopes == {"storage", "insights", "webPubSub"}


def test_app_service_authentication_lets_events_through() -> None:
    """They carry the system key, for which the host asks; health is for everybody."""
    properties = resource("app/authentication.bicep", "authentication").properties
    rules = properties["globalValidation"]
    assert rules["requireAuthentication"] is True
    assert rules["unauthenticatedClientAction"] == "Return401"
    assert rules["redirectToProvider"] == "azureactivedirectory"
    assert rules["excludedPaths"] == ["/runtime/webhooks/webpubsub", "/api/health"]
    assert properties["platform"] == {"enabled": True, "runtimeVersion": "~1"}
    assert properties["httpSettings"]["requireHttps"] is True


def test_app_service_authentication_has_no_secret() -> None:
    """Callers bring a token of this tenant for this registration, which must be named."""
    properties = resource("app/authentication.bicep", "authentication").properties
    provider = properties["identityProviders"]["azureActiveDirectory"]
    assert provider["registration"].keys() == {"clientId", "openIdIssuer"}
    issuer = "${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0"
    assert provider["registration"]["openIdIssuer"] == issuer
    assert provider["validation"]["allowedAudiences"] == ["clientId", "api://${clientId}"]
    decorators = read("app/authentication.bicep")["parameters"]["clientId"]["decorators"]
    assert decorators == [{"type": "min_length", "argument": 36}]


def test_app_service_authentication_is_on_where_it_is_believed() -> None:
    """And the two configurations of the app are not written at once."""
    (call,) = [
        n for n in nodes(tree(MAIN), "module_declaration") if "authentication.bicep" in text(n)
    ]
    assert "= if (authMode == 'easyauth') {" in text(call)
    assert "settings" in modules()["authentication"]["dependsOn"]
