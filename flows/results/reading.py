"""Reading the files of finished runs, which may be damaged, of another run, or none at all."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from flows.common.errors import ResultError
from flows.storage.files import Place

# What files raise that are not what they should be: the system, UTF-8 and JSON, Arrow, shapes of values.
_DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    MemoryError,
)


@contextmanager
def reading(what: object) -> Iterator[None]:
    """Have all that damage raises be a ResultError of one line that names what is read."""
    try:
        yield
    except _DAMAGE as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise ResultError(f"{what} is damaged, or of another kind: {said:.200}") from error


def opened(place: Place, digest: str | None) -> BinaryIO:
    """A file of a run, to read from. digest: the sha256 that the run says it has, if it says one.

    Raises ResultError for what is no file, or has another content.
    """
    with reading(place):
        if isinstance(place, Path) and not place.is_file():
            raise ResultError(f"{place} is not there, or no file")
        file = place.open("rb")
        if digest is not None and sha256_of(file) != digest:
            raise ResultError(f"{place} is not what its run wrote (results.json names another content)")
        file.seek(0)
        return file


def check_within(place: Place, folder: Place) -> None:
    """Raise ResultError where a file of a run leads out of its folder: publishing would give away another."""
    on_disk = isinstance(place, Path) and isinstance(folder, Path)
    if on_disk and not Path(str(place)).resolve().is_relative_to(Path(str(folder)).resolve()):
        raise ResultError(f"{place} leads out of the run's folder")


def sha256_of(file: BinaryIO) -> str:
    """The sha256 of what is in an open file, from where it stands."""
    sha = hashlib.sha256()
    while part := file.read(1 << 20):
        sha.update(part)
    return sha.hexdigest()
