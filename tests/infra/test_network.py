"""The virtual network, which is deployed only if `vnetEnabled` is true."""

from typing import Any

from tests.infra.bicep import (
    MAIN,
    chain,
    default_of,
    modules,
    nodes,
    resource,
    text,
    tree,
)

NETWORK = "app/network.bicep"
ENDPOINT = "app/endpoint.bicep"


def test_there_is_no_network_by_default() -> None:
    (call,) = [n for n in nodes(tree(MAIN), "module_declaration") if "network.bicep" in text(n)]
    assert "= if (vnetEnabled) {" in text(call)
    assert default_of("vnetEnabled") is False


def subnets() -> dict[str, Any]:
    found = resource(NETWORK, "network").properties["subnets"]
    return {subnet["name"]: subnet["properties"] for subnet in found}


def test_the_app_has_a_subnet_of_flex_consumption() -> None:
    """Such a subnet is delegated to Microsoft.App/environments, and holds nothing else."""
    (delegation,) = subnets()["app"]["delegations"]
    assert delegation["properties"] == {"serviceName": "Microsoft.App/environments"}
    assert "delegations" not in subnets()["endpoints"]
    source = " ".join(text(tree("app/function.bicep")).split())
    assert (
        "virtualNetworkSubnetId: empty(networkName) ? null : "
        "resourceId('Microsoft.Network/virtualNetworks/subnets', networkName, 'app')"
    ) in source


def test_the_app_starts_after_its_endpoints() -> None:
    """Otherwise its storage would not answer at the first start."""
    endpoints = ("storageEndpoint", "tableEndpoint", "serviceEndpoint")
    assert {*endpoints} <= {*modules()["app"]["dependsOn"]}
    for endpoint in endpoints:
        assert modules()[endpoint]["dependsOn"] == ["network"]


def test_storage_and_the_service_have_private_endpoints() -> None:
    """Zones and groups are in Azure's documentation, "Private endpoint DNS zone values".

    Free_F1 cannot have one (Azure documentation, "Use private endpoints for Azure Web PubSub").
    """
    storage, service = (
        modules()[name]["params"] for name in ("storageEndpoint", "serviceEndpoint")
    )
    assert (chain(storage["targetId"]), storage["kind"]) == ("storage.outputs.id", "blob")
    assert storage["zoneName"] == "privatelink.blob.${environment().suffixes.storage}"
    table = modules()["tableEndpoint"]["params"]
    assert (chain(table["targetId"]), table["kind"]) == ("storage.outputs.id", "table")
    assert table["zoneName"] == "privatelink.table.${environment().suffixes.storage}"
    assert (chain(service["targetId"]), service["kind"]) == ("webPubSub.outputs.id", "webpubsub")
    assert service["zoneName"] == "privatelink.webpubsub.azure.com"
    source = text(tree(MAIN))
    assert "module storageEndpoint 'app/endpoint.bicep' = if (vnetEnabled) {" in source
    assert "module tableEndpoint 'app/endpoint.bicep' = if (vnetEnabled) {" in source
    condition = "if (vnetEnabled && webPubSubSku != 'Free_F1') {"
    assert f"module serviceEndpoint 'app/endpoint.bicep' = {condition}" in source


def test_names_resolve_inside_the_network() -> None:
    """The endpoint's record is in the zone, and the zone is linked to the network."""
    link = resource(ENDPOINT, "link")
    assert link.properties["registrationEnabled"] is False
    assert chain(link.properties["virtualNetwork"]["id"]) == "network.id"
    (zone,) = resource(ENDPOINT, "record").properties["privateDnsZoneConfigs"]
    assert chain(zone["properties"]["privateDnsZoneId"]) == "zone.id"
    assert (link.body["parent"], resource(ENDPOINT, "record").body["parent"]) == (
        "zone",
        "endpoint",
    )


def test_storage_has_no_public_access_then() -> None:
    properties = resource("app/storage.bicep", "account").properties
    operands = properties["publicNetworkAccess"]["operator"]["operands"]
    assert [*operands.values()] == ["isolated", "Disabled", "Enabled"]
    operands = properties["networkAcls"]["defaultAction"]["operator"]["operands"]
    assert [*operands.values()] == ["isolated", "Deny", "Allow"]


def test_the_service_then_takes_only_clients_from_outside() -> None:
    """Browsers must reach it. REST calls come through the private endpoint, which allows all."""
    rules = resource("app/webpubsub.bicep", "service").properties["networkACLs"]
    operands = rules["operator"]["operands"]
    assert operands["condition"] == "isolated"
    assert operands["true_value"] == {
        "defaultAction": "Allow",
        "publicNetwork": {
            "allow": ["ClientConnection"],
            "deny": ["ServerConnection", "RESTAPI", "Trace"],
        },
    }
    assert operands["false_value"] is None
    (call,) = [n for n in nodes(tree(MAIN), "module_declaration") if "webpubsub.bicep" in text(n)]
    assert "isolated: vnetEnabled && webPubSubSku != 'Free_F1'" in text(call)
