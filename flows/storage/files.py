"""Files that are whole or not there, on disk or in a bucket, and what says that they are as they were."""

import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.common.errors import ResultError
from flows.storage.bucket import BucketPath

# Where something is kept: a path on disk, or of a bucket. Both are used alike.
Place = Path | BucketPath


def place_of(address: str | Place) -> Place:
    """The place that a path or `s3://bucket/prefix` names. Raises ValueError for a URL of another kind."""
    if isinstance(address, BucketPath):
        return address
    text = str(address)
    if text.startswith("s3:/"):  # of `s3://` pathlib makes this
        return BucketPath.parse(text)
    if "://" in text:
        raise ValueError(f"{text!r} is neither a folder nor s3://bucket/prefix")
    return Path(address)


@contextmanager
def atomic_path(place: Place, *, new: bool = False) -> Iterator[Path]:
    """A path to write to; it becomes the file at `place` when the block ends without an error, durably.

    new: only where there is none; of several writers one gets it. Raises ResultError, naming the file, where
    it cannot be written.
    """
    prepared = _before_upload(place, new) if isinstance(place, BucketPath) else _beside(place, new)
    try:
        with prepared as temporary:
            yield temporary
    except OSError as error:
        raise ResultError(f"cannot write {place}: {error.strerror or error}") from error


@contextmanager
def _beside(path: Path, new: bool) -> Iterator[Path]:
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


def _claim(temporary: Path, path: Path) -> None:
    """Raise FileExistsError where another writer has the path."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        path.touch(exist_ok=False)


@contextmanager
def _before_upload(place: BucketPath, new: bool) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        temporary = Path(folder) / place.name
        yield temporary
        (place.create if new else place.write)(temporary)


def names_below(place: Place) -> list[str]:
    """The names of what is in a folder, or below a prefix; empty if there is no such place."""
    try:
        return place.names() if isinstance(place, BucketPath) else [path.name for path in place.iterdir()]
    except FileNotFoundError:
        return []


def write_text(place: Place, text: str, *, new: bool = False) -> None:
    """Write a text file atomically. new: as of `atomic_path`."""
    with atomic_path(place, new=new) as temporary:
        temporary.write_text(text, encoding="utf-8")


def digest(path: Path) -> str:
    """The sha256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
