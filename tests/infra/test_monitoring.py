"""Logs, metrics, their destination, and alerts."""

import re
from typing import Any

from tests.infra.bicep import (
    FILES,
    INFRA,
    MAIN,
    chain,
    default_of,
    host_json,
    nodes,
    read,
    resource,
    text,
    tree,
)

SERVICE = "app/webpubsub.bicep"
ALERTS = "app/alerts.bicep"
AVAILABILITY = "app/availability.bicep"


def test_telemetry_is_by_identity_and_kept_in_the_workspace() -> None:
    """Application Insights has no local authentication."""
    properties = resource("app/monitoring.bicep", "insights").properties
    assert properties["DisableLocalAuth"] is True
    assert chain(properties["WorkspaceResourceId"]) == "workspace.id"
    assert resource("app/monitoring.bicep", "workspace").properties["retentionInDays"] == 30


def test_the_host_logs_records_and_requests_and_little_else() -> None:
    """The queries need all requests (Host.Results) and the app's records (Function)."""
    logging = host_json()["logging"]
    assert logging["logLevel"] == {
        "default": "Warning",
        "Function": "Information",
        "Host.Results": "Information",
    }


def test_only_the_host_uses_open_telemetry() -> None:
    """The host exports the app's records. In the app's process it would slow down cold starts.

    In this mode the host does not read `applicationInsights` (azure-functions-host, issue 10770).
    """
    assert host_json()["telemetryMode"] == "OpenTelemetry"
    assert "applicationInsights" not in host_json()["logging"]
    assert "opentelemetry" not in (INFRA.parent / "requirements.txt").read_text("utf-8")
    settings = "".join(file.read_text("utf-8") for file in (INFRA / "app").glob("*.bicep"))
    for worker_setting in ("PYTHON_ENABLE_OPENTELEMETRY", "PYTHON_APPLICATIONINSIGHTS_"):
        assert worker_setting not in settings


def test_the_service_logs_connections_and_metrics() -> None:
    """Not messages, which are too many, and not URLs."""
    diagnostics = resource(SERVICE, "diagnostics").properties
    assert [log["category"] for log in diagnostics["logs"]] == ["ConnectivityLogs"]
    assert [metric["category"] for metric in diagnostics["metrics"]] == ["AllMetrics"]
    assert diagnostics["workspaceId"] == "workspaceId"


def test_log_alerts_sum_item_counts() -> None:
    """With sampling a row represents several records. The tables do not exist at first."""
    rule = resource(ALERTS, "rules").properties
    (criterion,) = rule["criteria"]["allOf"]
    assert rule["skipQueryValidation"] is True
    assert (criterion["metricMeasureColumn"], criterion["timeAggregation"]) == ("events", "Total")
    assert (rule["evaluationFrequency"], rule["windowSize"]) == ("PT5M", "PT15M")
    for name in ("failed-joins", "webhook-refusals"):
        query = (INFRA / "queries" / f"{name}.kql").read_text("utf-8")
        assert "summarize events = sum(itemCount)" in query


def metric_alerts() -> dict[str, Any]:
    """Return the alerts about the service's metrics, by name; also the ones of one tier only."""
    variables = read(ALERTS)["variables"]
    found = [*variables["serviceAlerts"]["value"], *variables["freeAlerts"]["value"]]
    return {alert["name"]: alert for alert in found}


def test_the_quota_alert_uses_the_service_s_metric() -> None:
    """Azure refuses clients beyond 100%. A metric alert has no region."""
    alert = resource(ALERTS, "metrics")
    (criterion,) = alert.properties["criteria"]["allOf"]
    assert criterion["metricNamespace"] == "Microsoft.SignalRService/WebPubSub"
    assert alert.body["location"] == "global"
    quota = metric_alerts()["usher-connection-quota"]
    assert (quota["metric"], quota["dimensions"]) == ("ConnectionQuotaUtilization", [])
    assert (quota["aggregation"], quota["threshold"]) == ("Maximum", 80)


def test_lost_events_raise_an_alert() -> None:
    """A changed system key or a failing handler leaves no record in the app, only in this metric.

    The categories are in Azure's documentation, "Metrics in Azure Web PubSub service".
    """
    lost = metric_alerts()["usher-lost-events"]
    assert (lost["metric"], lost["aggregation"]) == ("ConnectionCloseCount", "Total")
    (dimension,) = lost["dimensions"]
    assert dimension == {
        "name": "ConnectionCloseCategory",
        "operator": "Include",
        "values": ["SendEventFailed", "EventHandlerNotFound"],
    }


def test_a_loaded_service_raises_an_alert() -> None:
    load = metric_alerts()["usher-server-load"]
    assert (load["metric"], load["threshold"]) == ("ServerLoad", 80)


def test_the_message_quota_of_the_free_tier_raises_an_alert() -> None:
    """80% of 20,000 messages of 2 KB a day. There is no metric that counts messages."""
    free = metric_alerts()["usher-message-quota"]
    assert (free["metric"], free["aggregation"]) == ("OutboundTraffic", "Total")
    assert (free["window"], free["threshold"]) == ("P1D", 0.8 * 20_000 * 2_000)
    source = text(tree(ALERTS))
    assert "var metricRules = isFree ? concat(serviceAlerts, freeAlerts) : serviceAlerts" in source
    assert "for alert in metricRules: {" in source


def test_the_health_of_the_app_is_asked_from_several_places() -> None:
    """From Standard on, because runs are billed. The alert needs three of five places."""
    test = resource(AVAILABILITY, "test")
    assert test.properties["Request"]["RequestUrl"] == "${url}/api/health"
    assert test.properties["ValidationRules"]["ExpectedHttpStatusCode"] == 200
    assert len(test.properties["Locations"]) == 5
    assert "'hidden-link:${insightsId}': 'Resource'" in text(tree(AVAILABILITY))
    alert = resource(AVAILABILITY, "unavailable").properties
    assert alert["criteria"]["failedLocationCount"] == 3
    assert alert["criteria"]["'odata.type'"].endswith(".WebtestLocationAvailabilityCriteria")
    (call,) = [n for n in nodes(tree(MAIN), "module_declaration") if "availability" in text(n)]
    assert "= if (webPubSubSku != 'Free_F1') {" in text(call)


def test_the_workspace_has_a_daily_cap_that_raises_an_alert() -> None:
    """Beyond the cap no record arrives, so the other log alerts see nothing."""
    workspace = resource("app/monitoring.bicep", "workspace").properties
    assert workspace["workspaceCapping"] == {"dailyQuotaGb": "dailyLogGigabytes"}
    assert default_of("dailyLogGigabytes") == 1
    (cap,) = [a for a in read(ALERTS)["variables"]["logAlerts"]["value"] if "cap" in a["name"]]
    assert cap["scope"] == "workspaceId"
    assert "OverQuota" in (INFRA / "queries/log-cap.kql").read_text("utf-8")


def test_every_alert_is_documented() -> None:
    page = (INFRA.parent / "docs" / "operations.md").read_text("utf-8")
    names = [*metric_alerts(), "usher-unavailable"]
    names += [alert["name"] for alert in read(ALERTS)["variables"]["logAlerts"]["value"]]
    rows = re.findall(r"^\| `(usher-[\w-]+)` \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(names)


def test_no_alert_uses_a_metric_that_flex_consumption_lacks() -> None:
    """FunctionExecutionCount and Http5xx do not exist there."""
    text_of_all = "".join((INFRA / file).read_text("utf-8") for file in FILES)
    assert not re.search(r"Http5xx|'FunctionExecutionCount", text_of_all)
