"""Run a module as `python -m` does, but end at Ctrl-C with 130 and without a traceback."""

import runpy
import sys

from localdev.interrupts import INTERRUPTED, mask_interrupts


def main() -> None:
    """Run the module that the first argument names, with the arguments after it."""
    del sys.argv[0]
    try:
        mask_interrupts(False)
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
