"""Files on disk that are whole or not there, and what says that they are as they were."""

import fcntl
import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}~")
# How files that are not locked were called, by earlier versions: whoever wrote such a one has long ended.
_UNLOCKED = re.compile(r"\..+\.[0-9a-f]{8}|tmp.+\.tmp")
_UNLOCKED_SECONDS = 24 * 3600.0


@contextmanager
def atomic_file(path: Path, *, new: bool = False) -> Iterator[Path]:
    """A path to write to; it becomes the file at `path` when the block ends without an error, durably.

    new: only where there is none; of several writers one gets it, and the others FileExistsError. Raises
    OSError where it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}~")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as lock:
            with suppress(OSError):  # a file system without locks, where nobody else can have one either
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield temporary
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            if new:
                _claim(temporary, path)
            temporary.replace(path)
    finally:
        with suppress(OSError):  # gone, or nothing can be made there at all
            temporary.unlink()


def remove_abandoned(root: Path) -> None:
    """Remove what processes that are gone left half-written anywhere below a folder; nothing of one that is
    alive, here or on another machine."""
    for folder, _, names in os.walk(root):
        for name in names:
            if _TEMPORARY.fullmatch(name):
                _remove_if(Path(folder) / name, _is_unlocked)
            elif _UNLOCKED.fullmatch(name):
                _remove_if(Path(folder) / name, _is_old)


def _remove_if(path: Path, is_abandoned: Callable[[BinaryIO], bool]) -> None:
    with suppress(OSError), path.open("rb") as file:  # it is finished just now, or not ours to remove
        if is_abandoned(file):
            path.unlink()


def _is_unlocked(file: BinaryIO) -> bool:
    """Raises OSError where it is locked."""
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True


def _is_old(file: BinaryIO) -> bool:
    return time.time() - os.fstat(file.fileno()).st_mtime > _UNLOCKED_SECONDS


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
