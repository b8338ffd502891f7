"""Work in another process, looked at from outside: how it ends where it does not come to its end."""

import signal
from contextlib import suppress
from time import monotonic

import psutil

from metrics.processes.limits import WorkLimits
from metrics.processes.marks import Seen

# How often a process at work is looked at.
LOOK_SECONDS = 0.25
# What a process may be killed by that has nothing to do with its work.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class WorkEnded(Exception):
    """A process ended, or had to be ended, before its work was done; the message says at what it was.

    may_pass: whether the reason may have come from outside, so that another try may help.
    """

    def __init__(self, message: str, *, may_pass: bool) -> None:
        super().__init__(message)
        self.may_pass = may_pass


def ended(status: int, at: Seen, limits: WorkLimits) -> WorkEnded:
    """Why a process is no more that nobody here has ended.

    status: as `subprocess` has it. at: what it was working on.
    """
    if status == -signal.SIGXCPU:
        most = limits.processor_seconds(at.is_document)
        return WorkEnded(at.message(f"took more than {most:g} s of processor time"), may_pass=False)
    if status >= 0:  # 0: it may have been idle too long just now
        reason = f"ended its process (exit status {status})"
        return WorkEnded(at.message(reason), may_pass=status == 0)
    said = f"its process was killed by {signal.Signals(-status).name}"
    if status == -signal.SIGKILL:
        said += ", which the system does where there is no more memory"
    return WorkEnded(at.message(said), may_pass=-status in _FROM_OUTSIDE)


class Watch:
    """What no limit of the system ends: work that waits for ever, and work that takes too much memory."""

    def __init__(self, process: int, limits: WorkLimits) -> None:
        self.pid, self._process, self._limits = process, psutil.Process(process), limits
        self._number, self._since = -1, monotonic()
        self._waited, self._worked = 0.0, -1.0

    def look(self, at: Seen) -> None:
        """Raise WorkEnded where the process is at one piece of work too long, or has too much memory."""
        if at.number != self._number:
            self._number, self._since, self._waited = at.number, monotonic(), 0.0
        with suppress(psutil.Error):  # it has just ended
            self._check_memory(at, self.memory())
            self._check_waiting(at)
        most = self._limits.clock_seconds(at.is_document)
        if monotonic() - self._since > most:
            raise WorkEnded(at.message(f"did not end within {most:g} s"), may_pass=True)

    def memory(self) -> int:
        """Bytes that the process has."""
        return self._process.memory_info().rss

    def worked(self) -> float:
        """Seconds of processor time that it has had."""
        return sum(self._process.cpu_times()[:2])

    def is_asleep(self) -> bool:
        return self._process.status() == psutil.STATUS_SLEEPING

    def _check_waiting(self, at: Seen) -> None:
        """What waits for the processor is not asleep, however busy the machine is."""
        before, self._worked = self._worked, self.worked()
        if self._worked == before and self.is_asleep():
            self._waited += LOOK_SECONDS
        most = self._limits.waiting_seconds(at.is_document)
        if self._waited > most:
            raise WorkEnded(at.message(f"waited for more than {most:g} s"), may_pass=True)

    def _check_memory(self, at: Seen, now: int) -> None:
        most = self._limits.bytes_beyond(at.memory, at.is_document)
        if now > most:
            taken = (now - at.memory if at.is_document else now) / 2**30
            raise WorkEnded(at.message(f"took {taken:.1f} GiB of memory, which is too much"), may_pass=False)
