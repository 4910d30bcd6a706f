"""The access keys of `dev.py up --keys`, kept in a file, so that each start has the same ones."""

import json
import os
import re
from dataclasses import asdict
from pathlib import Path

from localdev.host.keys import Keys, make_keys
from localdev.stack import ROOT, StackError

KEYS_FILE = ROOT / "local.keys.json"
KEY = re.compile(r"[\w-]{40,}", re.ASCII)  # an empty key would admit everybody


def keep_keys(file: Path) -> Keys:
    """Return the keys of the file; new ones, which it then has, if it is missing.

    Raises StackError.
    """
    try:
        return read_keys(file.read_text("utf-8"))
    except FileNotFoundError:
        return _write_keys(file, make_keys())
    except OSError as error:
        raise StackError(f"{file.name} cannot be read: {error.strerror}.") from None
    except ValueError:  # from None, because its text may have a key
        text = f"{file.name} is damaged. Delete it: the next start makes new keys."
        raise StackError(text) from None


def read_keys(text: str) -> Keys:
    """Read keys from JSON. Raises ValueError."""
    values = json.loads(text)
    names = {*Keys.__dataclass_fields__}
    if not isinstance(values, dict) or set(values) != names:
        raise ValueError("must be an object with the keys")
    if not all(isinstance(value, str) and KEY.fullmatch(value) for value in values.values()):
        raise ValueError("has something that is no key")
    return Keys(**values)


def _write_keys(file: Path, keys: Keys) -> Keys:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(keys), indent=2) + "\n")
    except OSError as error:
        raise StackError(f"{file.name} cannot be written: {error.strerror}.") from None
    return keys
