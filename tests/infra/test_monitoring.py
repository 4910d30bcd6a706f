"""What is logged, where it goes, and who is told."""

import re

from tests.infra.bicep import FILES, INFRA, chain, host_json, resource

SERVICE = "app/webpubsub.bicep"


def test_telemetry_is_by_identity_and_kept_in_the_workspace() -> None:
    """Workspace-based Application Insights without local authentication."""
    properties = resource("app/monitoring.bicep", "insights").properties
    assert properties["DisableLocalAuth"] is True
    assert chain(properties["WorkspaceResourceId"]) == "workspace.id"
    assert resource("app/monitoring.bicep", "workspace").properties["retentionInDays"] == 30


def test_records_and_requests_are_kept_and_noise_is_not() -> None:
    """Queries need every request (Host.Results) and the app's records (Function)."""
    logging = host_json()["logging"]
    assert logging["logLevel"] == {
        "default": "Warning",
        "Function": "Information",
        "Host.Results": "Information",
    }


def test_the_host_alone_speaks_open_telemetry() -> None:
    """It takes the app's records with it; in the app's process it would cost its cold start.

    In this mode the host does not read `applicationInsights` (azure-functions-host, issue 10770).
    """
    assert host_json()["telemetryMode"] == "OpenTelemetry"
    assert "applicationInsights" not in host_json()["logging"]
    assert "opentelemetry" not in (INFRA.parent / "requirements.txt").read_text("utf-8")
    settings = "".join(file.read_text("utf-8") for file in (INFRA / "app").glob("*.bicep"))
    for worker_setting in ("PYTHON_ENABLE_OPENTELEMETRY", "PYTHON_APPLICATIONINSIGHTS_"):
        assert worker_setting not in settings


def test_the_service_tells_the_workspace() -> None:
    """Connections and metrics; not messages, of which there are too many, nor URLs."""
    diagnostics = resource(SERVICE, "diagnostics").properties
    assert [log["category"] for log in diagnostics["logs"]] == ["ConnectivityLogs"]
    assert [metric["category"] for metric in diagnostics["metrics"]] == ["AllMetrics"]
    assert diagnostics["workspaceId"] == "workspaceId"


def test_log_alerts_sum_what_rows_stand_for() -> None:
    """A row may be many records (sampling); and the tables are not there at first."""
    rule = resource("app/alerts.bicep", "rules").properties
    (criterion,) = rule["criteria"]["allOf"]
    assert rule["skipQueryValidation"] is True
    assert (criterion["metricMeasureColumn"], criterion["timeAggregation"]) == ("events", "Total")
    assert (rule["evaluationFrequency"], rule["windowSize"]) == ("PT5M", "PT15M")
    for name in ("failed-joins", "webhook-refusals"):
        query = (INFRA / "queries" / f"{name}.kql").read_text("utf-8")
        assert "summarize events = sum(itemCount)" in query


def test_the_quota_alert_asks_the_services_metric() -> None:
    """Beyond 100% clients are refused. A metric alert has no region."""
    alert = resource("app/alerts.bicep", "quota")
    (criterion,) = alert.properties["criteria"]["allOf"]
    assert criterion["metricName"] == "ConnectionQuotaUtilization"
    assert criterion["metricNamespace"] == "Microsoft.SignalRService/WebPubSub"
    assert (criterion["timeAggregation"], criterion["threshold"]) == ("Maximum", 80)
    assert alert.body["location"] == "global"


def test_no_alert_on_a_metric_that_flex_lacks() -> None:
    """FunctionExecutionCount and Http5xx do not exist there."""
    text_of_all = "".join((INFRA / file).read_text("utf-8") for file in FILES)
    assert not re.search(r"Http5xx|'FunctionExecutionCount", text_of_all)
