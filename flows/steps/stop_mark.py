"""How a run that is stopped tells the processes that still ask for it: by a mark where all see it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from flows.common.errors import ResultError
from flows.storage.files import write_text
from flows.storage.step_files import StepFiles

# A look costs a second's calls at most, and a bucket a small request for each shard that is being asked.
LOOK_SECONDS = 1.0


@contextmanager
def calling_off(files: StepFiles, run: str) -> Iterator[None]:
    """A block that wants the answers of others; when it is left early, they are to stop asking."""
    try:
        yield
        _remove_begun(files, run)
    except BaseException:
        with suppress(ResultError):  # they end with their shards, then
            write_text(files.called_off / run, "")
        raise


def _remove_begun(files: StepFiles, run: str) -> None:
    """Of a folder; nothing is ever deleted in a bucket."""
    if isinstance(files.called_off, Path):
        for begun in files.called_off.glob(f"{run}.*"):
            begun.unlink(missing_ok=True)


class StopMark:
    """Whether a run was stopped, or another process has begun with the shard since: who hung for a while was
    taken for lost, and asks nothing more when it goes on. Looked up once a second at most, by one shard."""

    def __init__(self, files: StepFiles, run: str, shard: str) -> None:
        self._mark = files.called_off / run
        self._begun = files.called_off / f"{run}.{shard}"
        self._own = uuid.uuid4().hex
        write_text(self._begun, self._own)
        self._looked = float("-inf")
        self.in_flight = 0

    def is_set(self) -> bool:
        if monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = monotonic()
        return self._mark.exists() or self._begun.read_text(encoding="utf-8") != self._own

    def hurries(self) -> bool:
        return True  # nobody waits for what comes
