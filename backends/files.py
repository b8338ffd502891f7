"""Files on disk that are whole or not there, and what says that they are as they were."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_file(path: Path, *, new: bool = False) -> Iterator[Path]:
    """A path to write to; it becomes the file at `path` when the block ends without an error, durably.

    new: only where there is none; of several writers one gets it, and the others FileExistsError. Raises
    OSError where it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        if new:
            _claim(temporary, path)
        temporary.replace(path)
    finally:
        with suppress(OSError):  # gone, or nothing can be made there at all
            temporary.unlink()


def is_folder(path: Path) -> bool:
    """Whether there is a folder of that name; none has one that is too long."""
    try:
        return path.is_dir()
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _claim(temporary: Path, path: Path) -> None:
    """Raise FileExistsError where another writer has the path."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        path.touch(exist_ok=False)
