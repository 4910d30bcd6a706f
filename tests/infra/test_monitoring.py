"""Logs, metrics, their destination, and alerts."""

import re

from tests.infra.bicep import FILES, INFRA, chain, host_json, resource

SERVICE = "app/webpubsub.bicep"


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
    rule = resource("app/alerts.bicep", "rules").properties
    (criterion,) = rule["criteria"]["allOf"]
    assert rule["skipQueryValidation"] is True
    assert (criterion["metricMeasureColumn"], criterion["timeAggregation"]) == ("events", "Total")
    assert (rule["evaluationFrequency"], rule["windowSize"]) == ("PT5M", "PT15M")
    for name in ("failed-joins", "webhook-refusals"):
        query = (INFRA / "queries" / f"{name}.kql").read_text("utf-8")
        assert "summarize events = sum(itemCount)" in query


def test_the_quota_alert_uses_the_service_s_metric() -> None:
    """Azure refuses clients beyond 100%. A metric alert has no region."""
    alert = resource("app/alerts.bicep", "quota")
    (criterion,) = alert.properties["criteria"]["allOf"]
    assert criterion["metricName"] == "ConnectionQuotaUtilization"
    assert criterion["metricNamespace"] == "Microsoft.SignalRService/WebPubSub"
    assert (criterion["timeAggregation"], criterion["threshold"]) == ("Maximum", 80)
    assert alert.body["location"] == "global"


def test_no_alert_uses_a_metric_that_flex_consumption_lacks() -> None:
    """FunctionExecutionCount and Http5xx do not exist there."""
    text_of_all = "".join((INFRA / file).read_text("utf-8") for file in FILES)
    assert not re.search(r"Http5xx|'FunctionExecutionCount", text_of_all)
