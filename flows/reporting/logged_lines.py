"""Lines of logs and reporters: a reporter that logs, and a log that is said by a reporter."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from flows.reporting.reporter import Reporter, as_current, current
from metrics.shown_text import in_lines

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]

# What backends, tasks and flows warn of.
_LOG = logging.getLogger("assay")
_changing = Lock()
_before: list[bool] = []  # of those that say what is logged now, whether it went elsewhere


class LogReporter(Reporter):
    """Says and notes in a log, where no bar is watched."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def say(self, line: str, level: int = logging.INFO) -> None:
        self._log.log(level, "%s", in_lines(line))

    note = say


@contextmanager
def logging_to(log: Callable[[], Log]) -> Iterator[Reporter]:
    """Have a log told what a reporter is, unless there is one already; gives the reporter.

    log: gives it; called only where it is wanted.
    """
    if (there := current()) is not None:
        yield there
        return
    to = LogReporter(log())
    with as_current(to), saying_what_is_logged(to):
        yield to


class _Says(logging.Handler):
    """Has a reporter say what its own run logs, or nobody knows which."""

    def __init__(self, to: Reporter) -> None:
        super().__init__()
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        if current() in (self._to, None):
            self._to.say(record.getMessage(), record.levelno)


@contextmanager
def saying_what_is_logged(to: Reporter) -> Iterator[None]:
    """Have what backends warn of said by the reporter, and by nobody else meanwhile."""
    handler = _Says(to)
    with _changing:
        _LOG.addHandler(handler)
        _before.append(_LOG.propagate)
        _LOG.propagate = False
    try:
        yield
    finally:
        with _changing:
            _LOG.removeHandler(handler)
            _LOG.propagate = any(_before) if len(_before) == 1 else False
            _before.pop()
