"""The packages that production needs: pin them in requirements.txt, and audit them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.utils import canonicalize_name

from localdev.stack import ROOT, StackError

FILE = ROOT / "requirements.txt"
# Above this line are the packages that the app names, each with its reason.
BELOW = "# What these packages need in turn. Written by `python3 dev.py pin`.\n"
PIN = re.compile(r"^([\w.-]+)(\[[^]]*\])?==[\w.!+-]+", re.MULTILINE)
# Write nothing but names and versions: no package index and no path of this machine.
OUTPUT_OPTIONS = ("--no-header", "--no-annotate", "--no-emit-options", "--strip-extras")


def pin_dependencies(upgrade: bool) -> int:
    """Pin the named packages and all that they need; keep pinned versions unless `upgrade`."""
    named, _, below = FILE.read_text("utf-8").partition(BELOW)
    versions = resolve(named, below, upgrade)
    named = PIN.sub(lambda pin: f"{pin[1]}{pin[2] or ''}=={versions[_name(pin)]}", named)
    own = {_name(pin) for pin in PIN.finditer(named)}
    others = [f"{name}=={version}\n" for name, version in versions.items() if name not in own]
    FILE.write_text(f"{named.rstrip()}\n\n{BELOW}{''.join(others)}", "utf-8")
    print(f"{len(own)} named and {len(others)} further packages are pinned in {FILE.name}")
    return 0


def resolve(named: str, below: str, upgrade: bool) -> dict[str, str]:
    """Return the version of each package by normalized name, in the order of the names.

    pip-tools prefers the versions `below` to newer ones unless `upgrade`. Raises StackError.
    """
    with TemporaryDirectory() as folder:
        output = Path(folder) / FILE.name
        output.write_text(below)
        requirements = PIN.sub(r"\1\2", named) if upgrade else named
        options = [*OUTPUT_OPTIONS, "--allow-unsafe", *(["--upgrade"] if upgrade else [])]
        command = ["piptools", "compile", "--quiet", *options, "--output-file", str(output), "-"]
        done = run_module(*command, stdin=requirements)
        if done.returncode:
            raise StackError(f"pip-tools found no versions that fit: {done.stderr.strip()}")
        return dict(line.split("==") for line in output.read_text().splitlines())


def _name(pin: re.Match[str]) -> str:
    return canonicalize_name(pin[1])


def audit_dependencies() -> int:
    """Return 1 if a package has a known vulnerability; 0 if none has or the data is unreachable."""
    options = ["--requirement", str(FILE), "--no-deps", "--disable-pip", "--format", "json"]
    done = run_module("pip_audit", *options)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        raise StackError(f"pip-audit failed: {done.stderr.strip()}") from None
    return report_audit(packages)


def report_audit(packages: list[dict[str, Any]]) -> int:
    """Print the vulnerabilities that pip-audit found; return 1 if there is one, else 0."""
    audited = [package for package in packages if "skip_reason" not in package]
    found = [(package, each) for package in audited for each in package["vulns"]]
    for package, each in found:
        fixed = ", ".join(each["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {each['id']}, fixed in {fixed}")
    print(f"{len(audited)} of {len(packages)} packages audited, {len(found)} known vulnerabilities")
    if not audited:
        print("pip-audit cannot reach its data, so nothing is known.")
    return 1 if found else 0


def run_module(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment and return its output."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
