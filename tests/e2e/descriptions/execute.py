"""`python -m tests.e2e.descriptions.execute FILE WORKFLOW HOST`: runs a workflow of a document.

Inputs are JSON on stdin, the result is JSON on stdout. A process of its own, because the runner
logs all inputs and outputs, tokens among them.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from arazzo_runner import ArazzoRunner
from arazzo_runner.models import RuntimeParams


def main() -> None:
    """Prints the status and the outputs."""
    file, workflow, host = sys.argv[1:]
    inputs = read_defaults(Path(file), workflow) | json.load(sys.stdin)
    runner = ArazzoRunner.from_arazzo_path(file)
    result = runner.execute_workflow(workflow, inputs, RuntimeParams(servers={"host": host}))
    print(json.dumps({"status": result.status, "outputs": result.outputs}))


def read_defaults(file: Path, workflow: str) -> dict[str, Any]:
    """The runner does not look at the defaults of inputs."""
    document = yaml.safe_load(file.read_text("utf-8"))
    (found,) = [one for one in document["workflows"] if one["workflowId"] == workflow]
    inputs = found["inputs"]["properties"].items()
    return {name: schema["default"] for name, schema in inputs if "default" in schema}


if __name__ == "__main__":
    main()
