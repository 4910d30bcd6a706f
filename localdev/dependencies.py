"""What production depends on: pins all of it in requirements.txt, and asks whether it is safe."""

import json
import re
import subprocess
import sys
from typing import Any

from localdev.stack import ROOT, StackError

FILE = ROOT / "requirements.txt"
BELOW = "# What those need in turn. Written by `python3 dev.py pin`.\n"
PIN = re.compile(r"^(?P<name>[\w.-]+)(?P<extras>\[[^]]*\])?==(?P<version>[\w.!+-]+)", re.MULTILINE)


def pin_dependencies(upgrade: bool) -> int:
    """Pins what the named packages need; with `upgrade` the newest of those packages as well."""
    named = FILE.read_text("utf-8").partition(BELOW)[0]
    versions = resolve(re.sub(PIN, r"\g<name>\g<extras>", named) if upgrade else named)
    named = PIN.sub(lambda pin: write_pin(pin, versions), named)
    own = {normalize(pin["name"]) for pin in PIN.finditer(named)}
    below = sorted(f"{name}=={version}\n" for name, version in versions.items() if name not in own)
    FILE.write_text(f"{named.rstrip()}\n\n{BELOW}{''.join(below)}", "utf-8")
    print(f"{len(own)} named and {len(below)} further packages are pinned in {FILE.name}")
    return 0


def resolve(requirements: str) -> dict[str, str]:
    """Name and version of all that pip would install into an empty environment."""
    command = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    names = [line.partition("#")[0].strip() for line in requirements.splitlines()]
    done = run_module("pip", *command, *filter(None, names))
    if done.returncode:
        raise StackError(f"pip found no versions that fit: {done.stderr.strip()}")
    packages = [package["metadata"] for package in json.loads(done.stdout)["install"]]
    return {normalize(package["name"]): package["version"] for package in packages}


def write_pin(pin: re.Match[str], versions: dict[str, str]) -> str:
    """The same package at the version that was found."""
    return f"{pin['name']}{pin['extras'] or ''}=={versions[normalize(pin['name'])]}"


def normalize(name: str) -> str:
    """As package indexes compare names (packaging.python.org, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def audit_dependencies() -> int:
    """0 where no known weakness is found, or where nobody can be asked; 1 otherwise."""
    options = ["--requirement", str(FILE), "--no-deps", "--disable-pip", "--format", "json"]
    done = run_module("pip_audit", *options)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        raise StackError(f"pip-audit failed: {done.stderr.strip()}") from None
    return tell_audit(packages)


def tell_audit(packages: list[dict[str, Any]]) -> int:
    """What pip-audit found, package by package."""
    asked = [package for package in packages if "skip_reason" not in package]
    weak = [(package, found) for package in asked for found in package["vulns"]]
    for package, found in weak:
        mended = ", ".join(found["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {found['id']}, mended in {mended}")
    print(f"{len(asked)} of {len(packages)} packages audited, {len(weak)} known weaknesses")
    if not asked:
        print("pip-audit cannot reach its data here, so nothing is known.")
    return 1 if weak else 0


def run_module(*command: str) -> subprocess.CompletedProcess[str]:
    """A tool of this environment, with its output."""
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
