"""Files that are whole or not there, on disk or in a bucket."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backends.files import atomic_file
from backends.keys import shown
from flows.common.errors import ResultError, SpecError
from flows.storage.bucket import BucketPath

# Where something is kept: a path on disk, or of a bucket. Both are used alike.
Place = Path | BucketPath


def place_of(address: str | Place) -> Place:
    """The place that a path or `s3://bucket/prefix` names. Raises SpecError for a URL of another kind."""
    if isinstance(address, BucketPath):
        return address
    if not isinstance(address, str | Path):
        raise SpecError("wants a folder or s3://bucket/prefix")
    text = str(address)
    if text.startswith("s3:/"):  # of `s3://` pathlib makes this
        return BucketPath.parse(text)
    if "://" in text:
        raise SpecError(f"{shown(text)} is neither a folder nor s3://bucket/prefix")
    return Path(address)


@contextmanager
def atomic_path(place: Place, *, new: bool = False) -> Iterator[Path]:
    """A path to write to; it becomes the file at `place` when the block ends without an error, durably.

    new: only where there is none; of several writers one gets it. Raises ResultError, naming the file, where
    it cannot be written.
    """
    prepared = _before_upload(place, new) if isinstance(place, BucketPath) else atomic_file(place, new=new)
    try:
        with prepared as temporary:
            yield temporary
    except OSError as error:
        raise ResultError(f"cannot write {place}: {error.strerror or error}") from error


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
