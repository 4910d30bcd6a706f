"""Access: identity, roles, disabled keys, App Service Authentication."""

from itertools import chain as flatten

import pytest

from tests.infra import arm
from tests.infra.bicep import (
    MAIN,
    ROOT,
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
from usher.store.table import TABLE

APP = "app/function.bicep"
# The data actions of Storage Blob Data Owner that change something (Azure documentation, "Actions
# and attributes for Azure role assignment conditions for Azure Blob Storage").
WRITES = [
    *("write", "add/action", "delete", "deleteBlobVersion/action", "permanentDelete/action"),
    *("move/action", "manageOwnership/action", "modifyPermissions/action", "tags/write"),
    *("runAsSuperUser/action", "immutableStorage/runAsSuperUser/action"),
]


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
        "userAssignedIdentities": {"'${identity.id}'": {}, "'${deployIdentity.id}'": {}},
    }
    assert "roles" in modules()["app"]["dependsOn"]


def test_roles_have_the_ids_of_the_built_in_roles() -> None:
    variables = read("app/roles.bicep")["variables"].items()
    found = {name: variable["value"] for name, variable in variables}
    guids = {name: value for name, value in found.items() if len(value) == 36 and "-" in value}
    assert guids == arm.ROLES


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
    owner = "deployPrincipalId" if scope == "package" else "principalId"
    assert flat == [f"{scope}.id", owner, flat[-1]]
    assert flat[-1] in arm.ROLES
    assert flat[-1] in str(role)
    assert item.properties["principalType"] == "ServicePrincipal"
    assert item.properties["principalId"] == owner


def test_there_are_roles_for_storage_telemetry_and_web_pubsub() -> None:
    scopes = {item.body["scope"] for item in resources("app/roles.bicep")}
    assert scopes == {"storage", "package", "table", "insights", "webPubSub"}


def test_the_app_s_identity_reads_and_writes_one_table() -> None:
    """The table of the bans, which storage.bicep creates under the name that the app knows."""
    role = resource("app/roles.bicep", "keepsBans")
    assert role.body["scope"] == "table"
    assert "storageTableDataContributor" in str(role.properties["roleDefinitionId"])
    created = resource("app/storage.bicep", "table").body
    assert (created["parent"], chain(created["name"])) == ("tables", "tableName")
    assert read(MAIN)["variables"]["tableName"]["value"] == TABLE
    for module in ("storage", "roles"):
        assert modules()[module]["params"]["tableName"] == "tableName"


def test_the_app_s_identity_may_only_read_its_own_package() -> None:
    """A condition takes every data action that writes away from it in the package's container."""
    owner = resource("app/roles.bicep", "ownsBlobs").properties
    assert (owner["condition"], owner["conditionVersion"]) == ("onlyReadsPackage", "2.0")
    variables = read("app/roles.bicep")["variables"]
    values = {name: str(variable["value"]) for name, variable in variables.items()}
    assert values["onlyReadsPackage"] == "((${notWriting}) OR (${isOtherContainer}))"
    other = values["isOtherContainer"].replace("\\'", "'")
    assert other == "@Resource[${containers}:name] StringNotEquals '${containerName}'"
    assert values["containers"] == "Microsoft.Storage/storageAccounts/blobServices/containers"
    (each,) = nodes(tree("app/roles.bicep"), "for_statement")
    assert "!(ActionMatches{\\'${containers}/blobs/${action}\\'})" in text(each)
    assert variables["writes"]["value"] == WRITES


def test_a_deployment_identity_owns_the_package() -> None:
    """It reads and writes the package, and has no other role."""
    deployer = [item for item in resources("app/roles.bicep") if item.body["scope"] == "package"]
    assert [item.properties["principalId"] for item in deployer] == ["deployPrincipalId"]
    passed = modules()["roles"]["params"]
    assert chain(passed["deployPrincipalId"]) == "deployIdentity.outputs.principalId"
    assert chain(passed["principalId"]) == "identity.outputs.principalId"
    storage = resource(APP, "app").properties["functionAppConfig"]["deployment"]["storage"]
    identity = storage["authentication"]["userAssignedIdentityResourceId"]
    assert chain(identity) == "deployIdentity.id"


def test_key_vault_references_are_read_with_the_app_s_identity() -> None:
    """Without it the platform would use a system-assigned identity, which does not exist."""
    assert chain(resource(APP, "app").properties["keyVaultReferenceIdentity"]) == "identity.id"


def test_app_service_authentication_excludes_what_has_no_caller() -> None:
    """Of events the host checks the system key, unless they carry a token of the service."""
    properties = resource("app/authentication.bicep", "authentication").properties
    rules = properties["globalValidation"]
    assert rules["requireAuthentication"] == "enabled"
    assert rules["unauthenticatedClientAction"] == "Return401"
    assert rules["redirectToProvider"] == "azureactivedirectory"
    variables = read("app/authentication.bicep")["variables"]
    assert variables["open"]["value"] == [
        "/api/asyncapi.yaml",
        "/api/health",
        "/api/openapi.yaml",
        "/api/usher.js",
    ]
    assert "excludedPaths: eventsWithIdentity ? open : concat([webhook], open)" in text(
        tree("app/authentication.bicep")
    )
    assert variables["webhook"]["value"] == "/runtime/webhooks/webpubsub"
    assert properties["platform"] == {"enabled": "enabled", "runtimeVersion": "~1"}
    assert properties["httpSettings"]["requireHttps"] is True


def test_excluded_paths_are_routes_that_exist() -> None:
    """A path with a spelling mistake would be closed without a word."""
    source = (ROOT / "function_app.py").read_text("utf-8")
    for path in read("app/authentication.bicep")["variables"]["open"]["value"]:
        assert f'"{path.removeprefix("/api/")}"' in source


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


def test_app_service_authentication_is_deployed_in_every_mode() -> None:
    """So a change of the mode switches it off. The two configurations of the app take turns."""
    (call,) = [
        n for n in nodes(tree(MAIN), "module_declaration") if "authentication.bicep" in text(n)
    ]
    assert "if (" not in text(call)
    assert "enabled: authMode == 'easyauth'" in text(call)
    assert "settings" in modules()["authentication"]["dependsOn"]


def test_events_with_an_identity_need_easyauth() -> None:
    """Otherwise nothing would check the token: an empty client id refuses the deployment."""
    (call,) = [
        n for n in nodes(tree(MAIN), "module_declaration") if "authentication.bicep" in text(n)
    ]
    otherwise = "(eventsWithIdentity ? '' : noClient)"
    assert f"clientId: (authMode == 'easyauth') ? easyAuthClientId : {otherwise}" in text(call)
    assert len(read(MAIN)["variables"]["noClient"]["value"]) == 36
