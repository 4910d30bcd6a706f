"""Which packages of npm the tests use."""

import json

from npm.packages import HERE


def test_the_lock_file_pins_the_packages_and_names_no_registry() -> None:
    wanted = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    for name, version in wanted.items():
        package = locked[f"node_modules/{name}"]
        assert package["version"] == version
        assert package["integrity"].startswith("sha512-")
    assert not [package for package in locked.values() if "resolved" in package]
