"""The Web PubSub service, and its hub, which is deployed after the code."""

import ast

from tests.infra.bicep import (
    MAIN,
    ROOT,
    allowed,
    app_settings,
    chain,
    default_of,
    host_json,
    modules,
    nodes,
    read,
    resource,
    resources,
    text,
    tree,
)

SERVICE = "app/webpubsub.bicep"


def test_the_service_has_no_access_keys() -> None:
    """Live trace is off. These values are strings."""
    service = resource(SERVICE, "service")
    assert service.body["kind"] == "WebPubSub"
    assert service.properties["disableLocalAuth"] is True
    assert service.properties["disableAadAuth"] is False
    assert service.properties["liveTraceConfiguration"]["enabled"] == "false"
    categories = service.properties["resourceLogConfiguration"]["categories"]
    assert {c["name"]: c["enabled"] for c in categories} == {
        "ConnectivityLogs": "true",
        "MessagingLogs": "false",
    }


def test_sku_and_units_have_the_values_of_the_service() -> None:
    """1 to 10, tens up to 100; hundreds for Premium_P2. The default is the free tier."""
    service = resource(SERVICE, "service")
    assert service.body["sku"] == {"name": "sku", "capacity": "units"}
    assert allowed("webPubSubSku") == ["Free_F1", "Standard_S1", "Premium_P1", "Premium_P2"]
    units = [*range(1, 10), *range(10, 101, 10), *range(200, 1001, 100)]
    assert allowed("webPubSubUnits") == units
    assert (default_of("webPubSubSku"), default_of("webPubSubUnits")) == ("Free_F1", 1)


def test_the_hub_is_deployed_after_the_code() -> None:
    """Its key does not exist before, and a hub without handlers in main.bicep would remove them."""
    hubs = [item for item in resources() if item.type == "Microsoft.SignalRService/webPubSub/hubs"]
    assert [item.file for item in hubs] == ["hub.bicep"]
    assert "hub.bicep" not in {call["file"] for call in modules().values()}


def test_the_handler_is_the_extensions_webhook_with_its_system_key() -> None:
    """Azure reads the key `webpubsub_extension`. The handler gets no user events."""
    hub = resource("hub.bicep", "hub").properties
    (handler,) = hub["eventHandlers"]
    assert hub["anonymousConnectPolicy"] == "deny"
    assert handler.keys() == {"urlTemplate", "systemEvents", "auth"}
    variables = read("hub.bicep")["variables"]
    assert variables["webhook"]["value"] == "/runtime/webhooks/webpubsub"
    expected = "https://${app.properties.defaultHostName}${webhook}?code=${key}"
    assert handler["urlTemplate"] == expected
    (listing,) = [
        text(n) for n in nodes(tree("hub.bicep"), "call_expression") if text(n).startswith("list")
    ]
    assert listing == "listKeys('${app.id}/host/default', '2025-03-01')"


def test_events_carry_a_token_if_app_service_asks_for_one() -> None:
    """hub.bicep reads the app's authentication settings, so that the two cannot differ."""
    source = text(tree("hub.bicep"))
    assert "reference('${app.id}/config/authsettingsV2', '2025-03-01')" in source
    asked = "authentication.platform.enabled && !contains(excluded, webhook)"
    assert f"var byIdentity = {asked}" in source
    (handler,) = resource("hub.bicep", "hub").properties["eventHandlers"]
    operands = handler["auth"]["operator"]["operands"]
    assert operands["condition"] == "byIdentity"
    assert operands["true_value"]["type"] == "ManagedIdentity"
    audience = chain(operands["true_value"]["managedIdentity"]["resource"])
    assert audience == "registration.clientId"
    assert "identityProviders.azureActiveDirectory.registration\n" in source
    assert operands["false_value"] == {"type": "None"}
    variables = [read(file)["variables"] for file in ("hub.bicep", "app/authentication.bicep")]
    assert variables[0]["webhook"] == variables[1]["webhook"]


def test_the_service_has_an_identity_if_its_events_need_one() -> None:
    kind = resource(SERVICE, "service").body["identity"]["type"]["operator"]["operands"]
    assert [*kind.values()] == ["eventsWithIdentity", "SystemAssigned", "None"]
    for module in ("webPubSub", "authentication"):
        assert modules()[module]["params"]["eventsWithIdentity"] == "eventsWithIdentity"
    assert default_of("eventsWithIdentity") is False


def test_the_firewall_limits_connections_of_a_user() -> None:
    """Premium only (Azure documentation); without a limit the property is not sent."""
    firewall = resource(SERVICE, "service").properties["applicationFirewall"]
    operands = firewall["operator"]["operands"]
    assert operands["true_value"] is None
    (rule,) = operands["false_value"]["clientConnectionCountRules"]
    assert rule == {"type": "ThrottleByUserIdRule", "maxCount": "connectionsPerUser"}
    assert default_of("connectionsPerUser") == 0


def test_the_master_key_is_used_only_if_asked() -> None:
    """The webhook accepts no third key, so the master key bridges a renewal of the system key."""
    operands = read("hub.bicep")["variables"]["key"]["value"]["operator"]["operands"]
    assert [chain(operands[name]) for name in ("true_value", "false_value")] == [
        "hostKeys.masterKey",
        "hostKeys.systemKeys.webpubsub_extension",
    ]
    assert operands["condition"]["operator"]["operands"] == {
        "operand_1": "eventKey",
        "operand_2": "master",
    }
    assert read("hub.bicep")["parameters"]["eventKey"]["default"] == "system"


def test_lost_connections_are_noticed_by_pings() -> None:
    """Web PubSub takes 1 to 120 seconds, 20 by default (hubs@2024-03-01).

    The app has no use for the number: its setting keeps it for connect-hub.
    """
    hub = resource("hub.bicep", "hub").properties
    assert hub["webSocketKeepAliveIntervalInSeconds"] == "keepAliveSeconds"
    for file in (MAIN, "hub.bicep"):
        found = read(file)["parameters"]["keepAliveSeconds"]
        limits = [each["argument"] for each in found["decorators"] if "value" in each["type"]]
        assert (limits, found["default"]) == ([1, 120], 20)
    assert modules()["settings"]["params"]["keepAliveSeconds"] == "keepAliveSeconds"
    (seconds,) = app_settings()["USHER_KEEP_ALIVE_SECONDS"]["function"]["parameters"].values()
    assert seconds == "keepAliveSeconds"


def test_connect_is_sent_unless_there_is_a_single_group() -> None:
    """One parameter decides for the hub and for USHER_SINGLE_GROUP."""
    (handler,) = resource("hub.bicep", "hub").properties["eventHandlers"]
    operands = handler["systemEvents"]["operator"]["operands"]
    assert (operands["condition"], operands["true_value"]) == ("singleGroup", "notices")
    assert read("hub.bicep")["variables"]["notices"]["value"] == ["connected", "disconnected"]
    assert next(iter(operands["false_value"]["function"]["parameters"].values())) == ["connect"]
    flag = app_settings()["USHER_SINGLE_GROUP"]["operator"]["operands"]
    assert [*flag.values()] == ["singleGroup", "true", "false"]


def test_the_connection_has_the_name_that_the_extension_expects() -> None:
    """Other names fail in extension 1.10.0. The parts are `serviceUri` and `__`."""
    found = {key: value for key, value in app_settings().items() if key.startswith("WebPubSub")}
    assert found.pop("WebPubSubConnectionString__credential") == "managedidentity"
    client = chain(found.pop("WebPubSubConnectionString__clientId"))
    assert client == "identity.properties.clientId"
    assert found == {
        "WebPubSubConnectionString__serviceUri": "https://${webPubSubHost}",
        "WebPubSubHub": "hubName",
    }


def test_triggers_name_no_connection() -> None:
    """`connection` is ignored by old extensions."""
    source = ast.parse((ROOT / "function_app.py").read_text("utf-8"))
    calls = [node for node in ast.walk(source) if isinstance(node, ast.Call)]
    triggers = [call for call in calls if getattr(call.func, "attr", "") == "generic_trigger"]
    assert triggers
    for trigger in triggers:
        assert not {"connection", "connections"} & {keyword.arg for keyword in trigger.keywords}


def test_the_bundle_has_extension_1_10_1() -> None:
    """4.36 is the first bundle with it: it supports identities and fixes a crash of 1.10.0."""
    bundle = host_json()["extensionBundle"]
    assert bundle["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert bundle["version"] == "[4.36.0, 5.0.0)"
