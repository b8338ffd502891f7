"""Which process this is, and whether another of the same machine still runs."""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import psutil

# Between two readings of when a process began: the clock that they are taken from is set now and then.
_SAME_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ProcessId:
    """machine: the name of one start of a machine, or of a container on it. pid: there, which is given again.
    began: seconds after the machine's start."""

    machine: str
    pid: int
    began: float

    @classmethod
    def here(cls) -> Self:
        """This process."""
        return cls(_machine(), os.getpid(), _began(psutil.Process()))

    @property
    def has_ended(self) -> bool:
        """Whether it is known to have ended; of another machine nothing is known here."""
        if self.machine != _machine():
            return False
        try:
            process = psutil.Process(self.pid)
            is_same = abs(_began(process) - self.began) < _SAME_SECONDS
            return not is_same or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False


def _began(process: psutil.Process) -> float:
    start = psutil.boot_time()  # read anew, and first: it goes into what comes next
    return process.create_time() - start


@cache
def _machine() -> str:
    """Numbers of processes mean the same where this is the same: on one machine since it started, and within
    one container."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)
