"""Microsoft's analyser has nothing to say of the queries in infra/.

It is the npm package in kusto/package.json, for these tests only.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import FILES, INFRA, nodes, text, tree
from tests.npm import npm_packages

HERE = Path(__file__).parent / "kusto"
QUERIES = {path.name: path.read_text("utf-8") for path in (INFRA / "queries").iterdir()}
# Columns with their types, as Azure Monitor's table reference has them: AppTraces and AppRequests
# under the names that Application Insights uses, AzureMetrics, WebPubSubConnectivity, and
# _LogOperation, a view of the table Operation. Only columns that a query may want.
TABLES = {
    "traces": """(timestamp:datetime, message:string, severityLevel:int, itemType:string,
        customDimensions:dynamic, customMeasurements:dynamic, operation_Name:string,
        operation_Id:string, operation_ParentId:string, cloud_RoleName:string,
        cloud_RoleInstance:string, appName:string, sdkVersion:string, itemId:string,
        itemCount:int)""",
    "requests": """(timestamp:datetime, id:string, source:string, name:string, url:string,
        success:string, resultCode:string, duration:real, performanceBucket:string,
        itemType:string, customDimensions:dynamic, customMeasurements:dynamic,
        operation_Name:string, operation_Id:string, operation_ParentId:string,
        cloud_RoleName:string, cloud_RoleInstance:string, appName:string, sdkVersion:string,
        itemId:string, itemCount:int)""",
    "AzureMetrics": """(TimeGenerated:datetime, ResourceId:string, MetricName:string,
        Total:real, Count:real, Maximum:real, Minimum:real, Average:real, TimeGrain:string,
        UnitName:string)""",
    "WebPubSubConnectivity": """(TimeGenerated:datetime, Level:string, OperationName:string,
        Message:string, ConnectionId:string, UserId:string, Location:string,
        CallerIpAddress:string)""",
    "_LogOperation": """(TimeGenerated:datetime, Category:string, Operation:string, Level:string,
        Detail:string, Resource:string)""",
}
# The analyser finds each of these, so it would find the same fault in a query.
WRONG = {
    "a column that does not exist": ("traces | where mesage startswith 'x'", "KS142"),
    "a table that does not exist": ("trace | count", "KS204"),
    "a function that does not exist": ("traces | extend n = to_int(message)", "KS211"),
}


@pytest.fixture(scope="module")
def modules() -> Path:
    """Return the folder with the package."""
    return npm_packages(HERE, "the analyser of Kusto queries")


def diagnostics(modules: Path, queries: dict[str, str]) -> Any:
    """Return the analyser's diagnostics of each query."""
    done = subprocess.run(
        ["node", HERE / "analyse.cjs", modules],
        input=json.dumps({"tables": TABLES, "queries": queries}),
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_the_analyser_finds_nothing_in_the_queries(modules: Path) -> None:
    assert QUERIES
    assert diagnostics(modules, QUERIES) == {name: [] for name in QUERIES}


@pytest.mark.parametrize("fault", WRONG)
def test_the_analyser_finds_what_is_wrong(modules: Path, fault: str) -> None:
    query, code = WRONG[fault]
    (found,) = diagnostics(modules, {fault: query})[fault]
    assert found.startswith(f"{code} at ")


def test_workbook_and_alerts_have_no_other_queries() -> None:
    """Each query is loaded from infra/queries/, or taken from an item with such a query."""
    properties = [text(n) for file in FILES for n in nodes(tree(file), "object_property")]
    queries = [each for each in properties if each.startswith("query:")]
    source = re.compile(
        r"query: (loadTextContent\('\.\./queries/[\w-]+\.kql'\)|(alert|chart)\.query)"
    )
    assert len(queries) > len(QUERIES)
    assert not [each for each in queries if not source.fullmatch(each)]


def test_the_lock_file_pins_the_analyser_and_names_no_registry() -> None:
    wanted = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    for name, version in wanted.items():
        package = locked[f"node_modules/{name}"]
        assert package["version"] == version
        assert package["integrity"].startswith("sha512-")
    assert not [package for package in locked.values() if "resolved" in package]
