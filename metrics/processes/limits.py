"""How much one piece of work may take in a process that is watched."""

import resource
from dataclasses import dataclass

import psutil

# Work on all documents of a task (reading, filtering, aggregating them) may take so many times as much
# processor time as work on one.
WHOLE = 60
# So many times its processor time it may wait for something else than the processor (an answer, a lock).
WAITING = 10
# So many times its processor time by the clock: far beyond what a busy machine makes of it.
PATIENCE = 60


def set_limit(what: int, value: int) -> None:
    """Set one of the system's limits of this process, as far as it may be; it can be set again."""
    _, most = resource.getrlimit(what)
    resource.setrlimit(what, (value if most == resource.RLIM_INFINITY else min(value, most), most))


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """What work on one document may take.

    seconds: of processor time. memory: bytes more than the process had when it began.
    """

    seconds: float
    memory: int

    def processor_seconds(self, is_document: bool) -> float:
        """Beyond which a piece of work is ended."""
        return self.seconds if is_document else self.seconds * WHOLE

    def waiting_seconds(self, is_document: bool) -> float:
        """Of waiting, beyond which it hangs."""
        return WAITING * self.processor_seconds(is_document)

    def clock_seconds(self, is_document: bool) -> float:
        """Beyond which it is ended, whatever it does."""
        return PATIENCE * self.processor_seconds(is_document)

    def bytes_beyond(self, before: int, is_document: bool) -> int:
        """The memory of the process beyond which a piece of work is ended that began at `before`; work on all
        documents may take half of the machine's."""
        own = before + self.memory
        return own if is_document else max(own, psutil.virtual_memory().total // 2)
