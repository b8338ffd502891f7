"""What a process has taken together with all that it has started.

It is used within sandboxes too, where each program waits for what is imported here: the least, and on Linux
of the standard library alone.
"""

import os
from collections.abc import Iterator
from contextlib import suppress

# Fields of /proc/PID/stat after the name, from "state" on.
_STATE, _TIMES = 0, slice(11, 15)
# Of /proc/PID/statm, in pages.
_RESIDENT, _SHARED = 1, 2
_HAS_PROC = os.path.exists("/proc/self/stat")


class Taken:
    """seconds: of processor time, of those that have ended too. memory: bytes that belong to no file.
    is_waiting: whether none of them is using a processor, waits for one, or for a disk."""

    __slots__ = ("is_waiting", "memory", "seconds")

    def __init__(self, seconds: float, memory: int, is_waiting: bool) -> None:
        self.seconds, self.memory, self.is_waiting = seconds, memory, is_waiting

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
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def _taken(pid: int) -> Taken:
    if not _HAS_PROC:
        return _taken_elsewhere(pid)
    try:
        stat = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        pages = _read(f"/proc/{pid}/statm").split()
    except OSError:  # it has ended
        return NOTHING
    seconds = sum(map(int, stat[_TIMES])) / os.sysconf("SC_CLK_TCK")
    own_pages = int(pages[_RESIDENT]) - int(pages[_SHARED])
    return Taken(seconds, own_pages * os.sysconf("SC_PAGE_SIZE"), stat[_STATE] not in "RD")


def _read(file: str) -> str:
    with open(file, encoding="utf-8", errors="replace") as opened:
        return opened.read()


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
