"""`python -m tests.e2e.descriptions.execute FILE WORKFLOW HOST`: run a workflow of a document.

Read the inputs as JSON from stdin, and write the result as JSON to stdout. It is a separate process
because the runner logs all inputs and outputs, including tokens.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from arazzo_runner import ArazzoRunner
from arazzo_runner.models import RuntimeParams


def main() -> None:
    """Run the workflow and print its status and outputs."""
    file, workflow, host = sys.argv[1:]
    inputs = read_defaults(Path(file), workflow) | json.load(sys.stdin)
    runner = ArazzoRunner.from_arazzo_path(file)
    result = runner.execute_workflow(workflow, inputs, RuntimeParams(servers={"host": host}))
    print(json.dumps({"status": result.status, "outputs": result.outputs}))


def read_defaults(file: Path, workflow: str) -> dict[str, Any]:
    """Return the defaults of the workflow's inputs, which the runner ignores."""
    document = yaml.safe_load(file.read_text("utf-8"))
    (found,) = [one for one in document["workflows"] if one["workflowId"] == workflow]
    inputs = found["inputs"]["properties"].items()
    return {name: schema["default"] for name, schema in inputs if "default" in schema}


if __name__ == "__main__":
    main()
