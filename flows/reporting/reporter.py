"""Who is told how far a run is, by its flow and the steps of its process; and how long the rest takes."""

import logging
import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from time import monotonic

from backends.requests import RequestKind
from flows.storage.files import Place

# Before a kind has been timed here: its likely time per request, in that of a `loglikelihood`.
RELATIVE_COST: dict[RequestKind, float] = {
    "loglikelihood": 1.0,
    "loglikelihood_rolling": 4.0,
    "generate_until": 12.0,
}


class Work:
    """What is to be answered and what is, by kind; estimates the time the rest takes. No clock of its own."""

    def __init__(self) -> None:
        self.total: dict[RequestKind, int] = defaultdict(int)
        self.done: dict[RequestKind, int] = defaultdict(int)
        self._timed: dict[RequestKind, int] = defaultdict(int)
        self._seconds: dict[RequestKind, float] = defaultdict(float)

    def answered(self, kind: RequestKind, count: int, seconds: float) -> None:
        """`count` more requests were answered by the model, in `seconds`."""
        self.done[kind] += count
        self._timed[kind] += count
        self._seconds[kind] += seconds

    def reused(self, kind: RequestKind, count: int) -> None:
        """`count` more requests had their answers in the store."""
        self.done[kind] += count

    def seconds_left(self) -> float | None:
        """The estimate; None before anything was answered."""
        timed = sum(self._timed[kind] * RELATIVE_COST[kind] for kind in self._timed)
        if not timed:
            return None
        unit = sum(self._seconds.values()) / timed
        return sum(
            (self.total[kind] - self.done[kind]) * self._seconds_each(kind, unit) for kind in list(self.total)
        )

    def _seconds_each(self, kind: RequestKind, unit: float) -> float:
        timed = self._timed[kind]
        return self._seconds[kind] / timed if timed else unit * RELATIVE_COST[kind]


class Reporter:
    """Takes events from the steps; this one shows nothing."""

    def __init__(self) -> None:
        self.work = Work()
        self._last = -math.inf

    def prepared(self, kind: RequestKind, requests: int) -> None:
        """A task turned out to have so many requests."""
        self.work.total[kind] += requests
        self._show()

    def answered(self, kind: RequestKind, count: int, seconds: float) -> None:
        """So many more are answered, `seconds` after the last of the same shard."""
        now = monotonic()
        # Of shards that are asked side by side the time is not counted twice.
        since, self._last = now - self._last, now
        self.work.answered(kind, count, min(seconds, since))
        self._show()

    def reused(self, kind: RequestKind, count: int) -> None:
        self.work.reused(kind, count)
        self._show()

    def working_on(self, what: str) -> None:
        """The step the bar is labelled with."""

    def say(self, line: str, level: int = logging.INFO) -> None:
        """A line that stays. level: of `logging`."""

    def note(self, line: str, level: int = logging.INFO) -> None:
        """A line for whoever reads afterwards; one who watches has seen it by then."""

    def scored(self, task: str, scores: Path) -> None:
        """A task has scores, in a file of the score step."""

    def persisted(self, folder: Place) -> None:
        """The run's results are whole."""

    def _show(self) -> None: ...


_current: ContextVar[Reporter | None] = ContextVar("reporter", default=None)


def current() -> Reporter | None:
    """Whom the caller of a flow has watch it, in this thread; None where nobody does."""
    return _current.get()


def reporter() -> Reporter:
    """Whom the caller of a flow has watch it; one that shows nothing where nobody does."""
    return _current.get() or Reporter()


@contextmanager
def as_current(new: Reporter) -> Iterator[Reporter]:
    """Within the block, and in what it starts, this is the reporter."""
    token = _current.set(new)
    try:
        yield new
    finally:
        _current.reset(token)
