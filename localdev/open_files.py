"""How many files, and so connections, a process may have open."""

import os


class OpenFilesError(OSError):
    """The system forbids it; the text says how many there may be."""


def allow_files(wanted: int) -> None:
    """Let this process, and those that it starts from now on, have so many. OpenFilesError."""
    if os.name == "nt":  # no such limit there
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OpenFilesError(f"A process may open {hard:,} files here; {wanted:,} are needed.")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
