"""A bar on the terminal, with the time left; in a notebook a line."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.progress import Task as Bar
from rich.text import Text

from flows.reporting.logged_lines import saying_what_is_logged
from flows.reporting.notebook_line import NotebookReporter
from flows.reporting.reporter import Reporter, as_current
from metrics.shown_text import in_lines


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
        self._bar.console.print(in_lines(line), highlight=False, markup=False, soft_wrap=True)

    def _show(self) -> None:
        self._bar.update(
            self._id,
            total=sum(self.work.total.values()) or None,
            completed=sum(self.work.done.values()),
            left=self.work.seconds_left(),
            since=monotonic(),
        )


@contextmanager
def reporting(show: bool) -> Iterator[Reporter]:
    """Make a reporter the current one, with a bar if `show`."""
    if not show:
        with as_current(Reporter()) as silent:
            yield silent
        return
    console = Console(stderr=True)
    if console.is_jupyter:
        with _in_notebook() as shown:
            yield shown
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _TimeLeft())
    with (
        Progress(*columns, console=console, transient=True) as bar,
        as_current(BarReporter(bar)) as shown,
        saying_what_is_logged(shown),
    ):
        yield shown


@contextmanager
def _in_notebook() -> Iterator[Reporter]:
    line = NotebookReporter()
    try:
        with as_current(line), saying_what_is_logged(line):
            yield line
    finally:
        line.close()
