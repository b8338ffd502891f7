"""Says what calls wait for, and until when, where that takes long."""

import asyncio
import logging
import time
from dataclasses import replace

from backends.calls.failure import Failure
from backends.calls.loop import loop_time

log = logging.getLogger("assay")

# Waits are said after so many seconds; of shorter ones nobody wants to know.
SAID_AFTER = 10.0


class LongWait:
    """One wait of all calls to an endpoint after another; on the engine's loop only."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failure: Failure | None = None
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._was_said = False

    def because_of(self, failure: Failure) -> None:
        """What calls wait for is that this passes."""
        self._failure = failure

    def until(self, now: float, then: float) -> None:
        """Calls wait until then, at least."""
        self._until = then
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(now + SAID_AFTER, self._say)

    def over(self) -> bool:
        """Calls may go; whether people were told that they wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        was_said, self._was_said = self._was_said, False
        return was_said

    def say_away(self) -> None:
        """Say at once that calls wait."""
        self._was_said = True
        log.warning("%s; calls wait until it answers again", self._message)

    def failure(self, seconds: float) -> Failure:
        """What becomes of a call that does not wait so long."""
        failure = self._failure or Failure("transient", f"{self._name} does not answer")
        return replace(failure, retry_after=seconds)

    def _say(self) -> None:
        self._was_said = True
        at = time.strftime("%H:%M:%S", time.localtime(time.time() + self._until - loop_time()))
        log.warning("%s; calls wait, and the next is made at %s", self._message, at)

    @property
    def _message(self) -> str:
        return self._failure.message if self._failure else f"{self._name} does not answer"
