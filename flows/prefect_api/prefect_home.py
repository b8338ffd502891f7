"""Prefect's own folder, in which temporary servers keep their database: that it can be written, and that one
server at a time begins with it."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.common.errors import SpecError

# A new database has about as much.
_ROOM_BYTES = 1 << 20


def prefect_home() -> Path:
    """The folder, as Prefect finds it."""
    return Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser().absolute()


def check_writable() -> None:
    """Raise SpecError where no server could keep its database there: the folder is read-only, or the disk is
    full."""
    home = prefect_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as trial:
            trial.write(bytes(_ROOM_BYTES))
    except OSError as error:
        raise SpecError(
            f"PREFECT_HOME: Prefect cannot write to {home} ({error.strerror}); free some space, or set "
            "PREFECT_HOME to another folder"
        ) from error


@contextmanager
def starting_alone() -> Iterator[None]:
    """A block that one process at a time is in: a server makes or upgrades its database as it starts, and two
    that do so at once break each other's."""
    with (prefect_home() / ".assay-start").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the file, and with its process
        yield
