"""Run the emulator: `python -m webpubsub_emulator` is the command `webpubsub-emulator`."""

import sys

from webpubsub_emulator.command import main

sys.exit(main())
