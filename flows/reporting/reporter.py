"""How far a run is: a bar on the terminal with the time left, fed by the steps of this process."""

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.progress import Task as Bar
from rich.text import Text

from backends.requests import RequestKind
from flows.storage.files import Place

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]

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


class _TimeLeft(ProgressColumn):
    """Counts down between two events."""

    def render(self, task: Bar) -> Text:
        left, since = task.fields["left"], task.fields["since"]
        if left is None:
            return Text("estimating")
        seconds = max(0, round(left - (monotonic() - since)))
        return Text(f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left")


class BarReporter(Reporter):
    """Shows a bar where standard error is a terminal, and plain lines where it is not."""

    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self._bar = bar
        self._id = bar.add_task("starting", total=None, left=None, since=monotonic())

    def working_on(self, what: str) -> None:
        self._bar.update(self._id, description=what)

    def say(self, line: str, level: int = logging.INFO) -> None:
        self._bar.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _show(self) -> None:
        self._bar.update(
            self._id,
            total=sum(self.work.total.values()) or None,
            completed=sum(self.work.done.values()),
            left=self.work.seconds_left(),
            since=monotonic(),
        )


class LogReporter(Reporter):
    """Says and notes in a log, where no bar is watched."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def say(self, line: str, level: int = logging.INFO) -> None:
        self._log.log(level, line)

    note = say


_current: ContextVar[Reporter | None] = ContextVar("reporter", default=None)


def reporter() -> Reporter:
    """The reporter of this run; one that shows nothing where there is none, as on another machine."""
    return _current.get() or Reporter()


@contextmanager
def reporting(show: bool) -> Iterator[Reporter]:
    """Make a reporter the current one, with a bar if `show`."""
    if not show:
        with as_current(Reporter()) as silent:
            yield silent
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _TimeLeft())
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as bar,
        as_current(BarReporter(bar)) as shown,
        _saying_what_is_logged(shown),
    ):
        yield shown


@contextmanager
def logging_to(log: Callable[[], Log]) -> Iterator[None]:
    """Have a log told what a reporter is, unless there is one already.

    log: gives it; called only where it is wanted.
    """
    if _current.get() is not None:
        yield
        return
    to = LogReporter(log())
    with as_current(to), _saying_what_is_logged(to):
        yield


class _Says(logging.Handler):
    """Has a reporter say what is logged."""

    def __init__(self, to: Reporter) -> None:
        super().__init__()
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        self._to.say(record.getMessage(), record.levelno)


@contextmanager
def _saying_what_is_logged(to: Reporter) -> Iterator[None]:
    """Have what backends warn of said by the reporter."""
    log, handler = logging.getLogger("assay"), _Says(to)
    log.addHandler(handler)
    before, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = before


@contextmanager
def as_current(new: Reporter) -> Iterator[Reporter]:
    """Within the block, and in what it starts, this is the reporter."""
    token = _current.set(new)
    try:
        yield new
    finally:
        _current.reset(token)
