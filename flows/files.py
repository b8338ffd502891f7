"""Files that are whole or not there, and what says whether they still are as they were written."""

import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.errors import ResultError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it becomes `path` when the block ends without an error, durably.

    Raises ResultError, naming the file, where it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ResultError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # gone, or nothing can be made there at all
            temporary.unlink()


def reference(path: Path) -> dict[str, str]:
    """A file by its path and content, as steps pass it on."""
    with path.open("rb") as stream:
        return {"path": str(path), "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def is_intact(file: Mapping[str, str]) -> bool:
    """Whether a referenced file is there with the content it was written with."""
    try:
        return reference(Path(file["path"])) == file
    except OSError:
        return False


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
