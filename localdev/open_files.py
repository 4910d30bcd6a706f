"""The limit on open files, and so on connections, of a process."""

import os


class OpenFilesError(OSError):
    """The system's limit is too low; the text names it."""


def allow_files(wanted: int) -> None:
    """Raise the limit of this process, and of the processes that it starts later, to `wanted`.

    Raises OpenFilesError.
    """
    if os.name == "nt":  # Windows has no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OpenFilesError(f"A process may open {hard:,} files here; {wanted:,} are needed.")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
