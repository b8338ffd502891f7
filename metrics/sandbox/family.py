"""What a process has taken together with all that it has started. Of the standard library alone on Linux, as
it is also used within sandboxes."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
# Fields of /proc/PID/stat after the name, from "state" on.
_STATE, _TIMES = 0, slice(11, 15)
# Of /proc/PID/statm, in pages.
_RESIDENT, _SHARED = 1, 2
_HAS_PROC = Path("/proc/self/stat").exists()


@dataclass(frozen=True, slots=True)
class Taken:
    """seconds: of processor time, of those that have ended too. memory: bytes that belong to no file.
    is_waiting: whether none of them is using a processor, waits for one, or for a disk."""

    seconds: float
    memory: int
    is_waiting: bool

    def __add__(self, other: "Taken") -> "Taken":
        is_waiting = self.is_waiting and other.is_waiting
        return Taken(self.seconds + other.seconds, self.memory + other.memory, is_waiting)


NOTHING = Taken(0.0, 0, True)


def taken_by(pid: int, *, with_itself: bool = True) -> Taken:
    """What a process and its descendants have taken, or these alone; what ends meanwhile may be left out."""
    return sum((_taken(one) for one in family(pid) if with_itself or one != pid), NOTHING)


def family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += _children(one)


def _children(pid: int) -> list[int]:
    if not _HAS_PROC:
        return _children_elsewhere(pid)
    found: list[int] = []
    with suppress(OSError):  # it has ended
        for thread in os.listdir(_PROC / str(pid) / "task"):
            found += map(int, (_PROC / str(pid) / "task" / thread / "children").read_text().split())
    return found


def _taken(pid: int) -> Taken:
    if not _HAS_PROC:
        return _taken_elsewhere(pid)
    try:
        stat = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        pages = (_PROC / str(pid) / "statm").read_text().split()
    except OSError:  # it has ended
        return NOTHING
    seconds = sum(map(int, stat[_TIMES])) / os.sysconf("SC_CLK_TCK")
    own_pages = int(pages[_RESIDENT]) - int(pages[_SHARED])
    return Taken(seconds, own_pages * os.sysconf("SC_PAGE_SIZE"), stat[_STATE] not in "RD")


def _children_elsewhere(pid: int) -> list[int]:
    import psutil

    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def _taken_elsewhere(pid: int) -> Taken:
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        with process.oneshot():
            is_waiting = process.status() != psutil.STATUS_RUNNING
            return Taken(sum(process.cpu_times()[:4]), process.memory_info().rss, is_waiting)
    return NOTHING
