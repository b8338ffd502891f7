"""What a process is working on, written where the one that watches it reads it: whatever ends the process,
the document is known.

Work is marked by `working_on`, which does nothing in a process that nobody watches.
"""

import math
import mmap
import os
import resource
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, Self

import psutil

from metrics.processes.limits import WorkLimits, set_limit

_SIZE = 4096  # bytes of a page
_HEAD = struct.Struct("=QQ?HH")  # number, memory, is_document, bytes of the two texts
_LONGEST = 1500  # bytes of each text


@dataclass(frozen=True, slots=True)
class Mark:
    """One piece of work.

    before, after: what stands around the reason where it ends badly. document: its position, where the work
    is on one document; None where it is on all of them.
    """

    before: str = ""
    after: str = ""
    document: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A mark as another process reads it. number: another one for each mark. memory: what the process had
    when it began with the document."""

    number: int
    memory: int
    is_document: bool
    before: str
    after: str

    def message(self, reason: str) -> str:
        """Why the work ended, with all that is known of it."""
        return f"{self.before}{reason}{self.after}"


class Page:
    """Memory that two processes share by a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        os.ftruncate(descriptor, _SIZE)
        self._memory = mmap.mmap(descriptor, _SIZE)

    def write(self, number: int, memory: int, mark: Mark) -> None:
        before, after = (text.encode("utf-8", "replace")[:_LONGEST] for text in (mark.before, mark.after))
        head = _HEAD.pack(number, memory, mark.document is not None, len(before), len(after))
        self._memory[: _HEAD.size + len(before) + len(after)] = head + before + after

    def read(self) -> Seen:
        """The last mark; a mixture of two where it is being written just now."""
        number, memory, is_document, before, after = _HEAD.unpack_from(self._memory)
        texts = self._memory[_HEAD.size : _HEAD.size + before + after]
        said = (texts[:before].decode("utf-8", "replace"), texts[before:].decode("utf-8", "replace"))
        return Seen(number, memory, is_document, *said)

    def close(self) -> None:
        self._memory.close()


class Marks(Protocol):
    """Where a process writes what it works on."""

    def write(self, number: int, memory: int, mark: Mark) -> None: ...


class Watched:
    """This process, which is watched: each piece of work is written down, and has its processor time.

    The system ends the process when that is over (`SIGXCPU`), whatever it is busy with.
    """

    _current: "Watched | None" = None

    def __init__(self, page: Marks) -> None:
        self._page, self._limits = page, WorkLimits(math.inf, 0)
        self._process = psutil.Process()
        self._number, self._memory, self._mark = 0, 0, Mark()
        self._last_document: int | None = None

    @classmethod
    def by(cls, page: Marks) -> Self:
        """From now on, marks of this process are written to a page."""
        Watched._current = watched = cls(page)
        return watched

    @classmethod
    def current(cls) -> "Watched | None":
        return cls._current

    @contextmanager
    def limited(self, limits: WorkLimits) -> Iterator[None]:
        """Work within limits; it is on all documents, but where marks say otherwise."""
        self._limits, self._last_document = limits, None
        with self.at(Mark()):
            yield

    @contextmanager
    def at(self, mark: Mark) -> Iterator[None]:
        """Work that is marked."""
        outer = self._mark
        self._turn_to(mark)
        try:
            yield
        finally:
            self._turn_to(outer)

    def _turn_to(self, mark: Mark) -> None:
        self._mark = mark
        self._number += 1
        if mark.document is not None and self._last_document != mark.document:
            self._last_document = mark.document
            self._memory = self._process.memory_info().rss
        self._page.write(self._number, self._memory, mark)
        seconds = self._limits.processor_seconds(mark.document is not None)
        set_limit(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds))


@contextmanager
def working_on(before: str, after: str, document: int | None) -> Iterator[None]:
    """A block that works on a document, or, without one, on all of them; see `Mark`."""
    watched = Watched.current()
    if watched is None:
        yield
        return
    with watched.at(Mark(before, after, document)):
        yield
