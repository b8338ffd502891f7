"""How a run that is stopped tells the processes that still ask for it: by a mark where all see it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    except BaseException:
        with suppress(ResultError):  # they end with their shards, then
            write_text(files.called_off / run, "")
        raise


class StopMark:
    """Whether a run was stopped. Looked up once a second at most, and by one shard."""

    def __init__(self, files: StepFiles, run: str) -> None:
        self._mark = files.called_off / run
        self._looked = float("-inf")
        self.in_flight = 0

    def is_set(self) -> bool:
        if monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = monotonic()
        return self._mark.exists()

    def hurries(self) -> bool:
        return True  # nobody waits for what comes
