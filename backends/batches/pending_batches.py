"""Which batches were handed in and not stored yet: a small file for each, that outlives the process.

A batch is paid for once it is made. So its file is there before it, without an id, and is written again when
the id is known; a file without an id says that there may be a batch with its marker.
"""

import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from backends.errors import BackendError
from backends.files import atomic_file

# What became of a request in the batches that it was in before, by kind of failure.
Failures = tuple[str, ...]
_LOCK = "lock"


class PendingBatch(BaseModel):
    """A batch of which not all answers are stored, or the intent to make it.

    marker: a name of ours that is in the batch's metadata. created: in seconds since 1970. failures: by
    digest of the request. batch: its id; None as long as it is not known to be there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    marker: str
    created: float
    failures: Mapping[str, Failures]
    batch: str | None = None

    def only(self, digests: Collection[str]) -> "PendingBatch":
        """The batch as far as it is about these requests."""
        kept = {digest: past for digest, past in self.failures.items() if digest in digests}
        return self.model_copy(update={"failures": kept})

    def without(self, digests: Collection[str]) -> "PendingBatch":
        """The batch as far as it is not about these requests."""
        return self.only(self.failures.keys() - set(digests))


class PendingBatches:
    """The files of one model's batches in a folder. Threads and processes may share it: all but `path` is to
    be used within `locked`. Raises BackendError, naming the file, for what cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, marker: str) -> Path:
        """The file of a batch."""
        return self._folder / f"{marker}.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one at it. The lock of a process that dies is free again, so an intent without an id
        that is seen here is nobody's."""
        with _explained(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with _explained(self._folder):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def all(self) -> list[PendingBatch]:
        """All batches, the newest first."""
        found = [_read(path) for path in self._folder.glob("*.json")]
        return sorted(found, key=lambda pending: pending.created, reverse=True)

    def add(self, pending: PendingBatch) -> None:
        """Remember a new batch. Its requests are taken out of earlier ones, whose answers are known."""
        self.write(pending)
        self._take_out(pending.failures.keys(), but=pending.marker)

    def write(self, pending: PendingBatch) -> None:
        """Write a batch's file: whole, and durable when this returns."""
        path = self.path(pending.marker)
        with _explained(path):
            with atomic_file(path) as temporary:
                temporary.write_text(pending.model_dump_json(), encoding="utf-8")
            self._sync_folder()

    def remove(self, pending: PendingBatch) -> None:
        """Forget a batch."""
        with _explained(self.path(pending.marker)):
            self.path(pending.marker).unlink()
            self._sync_folder()

    def forget(self, digests: Collection[str]) -> None:
        """Forget requests whose answers are stored, and batches of which nothing is left."""
        self._take_out(digests, but="")

    def _take_out(self, digests: Collection[str], but: str) -> None:
        for pending in self.all():
            left = pending.without(digests)
            if pending.marker == but or len(left.failures) == len(pending.failures):
                continue
            if left.failures:
                self.write(left)
            else:
                self.remove(pending)

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> PendingBatch:
    with _explained(path):
        text = path.read_text(encoding="utf-8")
    try:
        return PendingBatch.model_validate_json(text)
    except ValidationError as error:
        raise BackendError(
            f"{path} is damaged: it tells of a batch that was handed in; without it the batch's requests "
            "are asked, and paid for, again"
        ) from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(f"{path}, where batches are remembered: {error.strerror or error}") from error
