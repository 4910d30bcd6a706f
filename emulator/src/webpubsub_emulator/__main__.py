"""`python -m webpubsub_emulator`: the same as the command `webpubsub-emulator`."""

import sys

from webpubsub_emulator.command import main

sys.exit(main())
