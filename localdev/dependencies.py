"""The packages that production needs: pin them in requirements.txt, audit and list them."""

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
# Above this line are the packages that the app names, each below its reason.
BELOW = "# What these packages need in turn. Written by `python3 dev.py pin`.\n"
# A name, its extras, its version, and the hashes of all files of this version.
PIN = re.compile(r"^([\w.-]+)(\[[^]]*\])?==([\w.!+-]+)((?: \\\n +--hash=\S+)*)", re.MULTILINE)
# Write nothing but names, versions and hashes: no package index and no path of this machine.
OUTPUT_OPTIONS = ("--no-header", "--no-annotate", "--no-emit-options", "--strip-extras")
OFFLINE = "Could not connect"  # how pip-audit begins the message of each of its services


def pin_dependencies(upgrade: bool) -> int:
    """Pin the named packages and all that they need; keep pinned versions unless `upgrade`."""
    text = FILE.read_text("utf-8")
    pins = resolve(text, upgrade)
    named = text.partition(BELOW)[0]
    named = PIN.sub(lambda pin: f"{pin[1]}{pin[2] or ''}=={pins[_name(pin)]}", named)
    own = {_name(pin) for pin in PIN.finditer(named)}
    others = [f"{name}=={pin}\n" for name, pin in pins.items() if name not in own]
    FILE.write_text(f"{named.rstrip()}\n\n{BELOW}{''.join(others)}", "utf-8")
    print(f"{len(own)} named and {len(others)} further packages are pinned in {FILE.name}")
    print(*describe_moves(text, FILE.read_text("utf-8")), sep="\n")
    return 0


def describe_moves(before: str, after: str) -> list[str]:
    """Return a line for each package whose version moved, that came, or that went."""
    old, new = ({_name(pin): pin[3] for pin in PIN.finditer(text)} for text in (before, after))
    names = [name for name in sorted(old | new) if old.get(name) != new.get(name)]
    moves = [f"{name}: {old.get(name, 'new')} -> {new.get(name, 'gone')}" for name in names]
    return moves or ["no version moved"]


def resolve(text: str, upgrade: bool) -> dict[str, str]:
    """Return version and hashes of each package by normalized name, in the order of the names.

    pip-tools prefers the versions of `text` to newer ones unless `upgrade`. Raises StackError.
    """
    with TemporaryDirectory() as folder:
        output = Path(folder) / FILE.name
        output.write_text(text)
        requirements = PIN.sub(r"\1\2" if upgrade else r"\1\2==\3", text.partition(BELOW)[0])
        options = [*OUTPUT_OPTIONS, "--allow-unsafe", *(["--upgrade"] if upgrade else [])]
        command = ["piptools", "compile", "--quiet", "--generate-hashes", *options]
        done = run_module(*command, "--output-file", str(output), "-", stdin=requirements)
        if done.returncode:
            raise StackError(f"pip-tools found no versions that fit: {done.stderr.strip()}")
        return {_name(pin): pin[3] + pin[4] for pin in PIN.finditer(output.read_text())}


def _name(pin: re.Match[str]) -> str:
    return canonicalize_name(pin[1])


def audit_dependencies(offline_ok: bool) -> int:
    """Return 1 if a package has a known vulnerability, or was not audited unless `offline_ok`."""
    options = ["--requirement", str(FILE), "--no-deps", "--disable-pip", "--format", "json"]
    done = run_module("pip_audit", *options)
    if not done.stdout and OFFLINE in done.stderr:
        return report_audit([], offline_ok)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        raise StackError(f"pip-audit failed: {done.stderr.strip()}") from None
    return report_audit(packages, offline_ok)


def report_audit(packages: list[dict[str, Any]], offline_ok: bool) -> int:
    """Print what pip-audit found, and the packages that it did not audit; return the status."""
    audited = [package for package in packages if "skip_reason" not in package]
    found = [(package, each) for package in audited for each in package["vulns"]]
    for package, each in found:
        fixed = ", ".join(each["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {each['id']}, fixed in {fixed}")
    is_complete = bool(audited) and len(audited) == len(packages)
    if not audited:
        print("No database was asked, so nothing is known about any package.")
        return 0 if offline_ok else 1
    print(f"{len(audited)} of {len(packages)} packages audited, {len(found)} known vulnerabilities")
    if not is_complete:
        print("Not audited:", ", ".join(each["name"] for each in packages if each not in audited))
    return 1 if found or not (is_complete or offline_ok) else 0


def write_bill_of_materials() -> int:
    """Print the packages of requirements.txt as an SBOM: CycloneDX 1.6, JSON."""
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible"]
    done = run_module("cyclonedx_py", "requirements", *options, str(FILE))
    if done.returncode:
        raise StackError(f"cyclonedx-bom failed: {done.stderr.strip()}")
    print(done.stdout, end="")
    return 0


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
