"""The policy file under `dev.py up`: what it had when it was checked, and the next save of it.

The app reads a copy. So a save that was not checked yet never reaches the running app.
"""

import asyncio
from pathlib import Path

POLL_SECONDS = 0.5


class SavedPolicy:
    """The contents of a policy file, with a copy for the app in a folder of its own.

    A missing file has no copy, so that the app's check names the file itself.
    """

    def __init__(self, file: Path, folder: Path) -> None:
        self.file = file
        self.copy = file
        self._folder = folder
        self._content = _read(file)
        self._keep()

    async def wait_for_save(self) -> None:
        """Wait until the file has other contents, and copy them.

        A file that is missing, or still changes, is being saved.
        """
        previous = self._content
        while True:
            await asyncio.sleep(POLL_SECONDS)
            content = _read(self.file)
            if content not in (None, self._content) and content == previous:
                break
            previous = content
        self._content = content
        self._keep()

    def _keep(self) -> None:
        if self._content is not None:
            # Another name each time: the app may read the copy before this one only now.
            copy = self._folder / str(len(list(self._folder.iterdir()))) / self.file.name
            copy.parent.mkdir()
            copy.write_bytes(self._content)
            self.copy = copy


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
