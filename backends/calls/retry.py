"""How often and when a request that failed is asked again."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from backends.calls.endpoint_options import EndpointOptions
from backends.calls.failure import RETRIED, CallFailed, FailureKind
from backends.calls.loop import loop_time

T = TypeVar("T")
# Those that no answer came with, which would be paid for each time (`CallEngine`).
_UNPAID = RETRIED - {"malformed"}
# Waits double up to this; longer ones only hold up the end of a run.
_LONGEST_WAIT = 60.0
# Where most calls are answered, a longer wait gains nothing either: up to this, by `backoff` and by the share
# of calls that are answered. With 0.5 it is a second where all others are, and 10 where one in ten is.
_LONGEST_AMONG_ANSWERS = 2.0
# Tries of a request that may end without an answer in the time we wait for one. Where that time is too short,
# each more is as long and as much in vain, and may be paid.
_TIMED_OUT = 2
_MOST_DOUBLED = 30


@dataclass(frozen=True, slots=True)
class Tries:
    """What a request went through. failed: its tries that failed; of these `counted` say something of the
    request, as others were answered meanwhile, and in `timed_out` we waited no longer."""

    failed: int = 0
    counted: int = 0
    timed_out: int = 0

    def after(self, error: CallFailed) -> "Tries":
        """After one more."""
        is_timed_out = error.failure.kind == "timed_out"
        return Tries(self.failed + 1, self.counted + (not error.is_everyones), self.timed_out + is_timed_out)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """max_tries: of a request, the first included; those in which an endpoint refuses everybody for its rate
    limit do not count. total_timeout: seconds from the first try after which no other is made. backoff:
    seconds before the second try; doubled from try to try. Of each wait up to half is taken off by chance, so
    that requests that failed together do not come back together. max_timed_out: tries that may time out."""

    max_tries: int
    total_timeout: float
    backoff: float
    max_timed_out: int = _TIMED_OUT

    @classmethod
    def of(cls, options: EndpointOptions) -> "RetryPolicy":
        return cls(options.max_tries, options.total_timeout, options.backoff)

    def wait(self, tries: Tries, last: CallFailed, draw: float) -> float | None:
        """Seconds before the next try; None where none is made.

        tries: with the `last` one. draw: a random number in [0, 1).
        """
        if tries.counted >= self.max_tries or tries.timed_out >= self.max_timed_out:
            return None
        if last.failure.retry_after is not None:
            return last.failure.retry_after + draw * self.backoff
        if last.is_everyones:  # the gate knows when to come again
            return self.backoff * (1.0 - draw / 2)
        longest = _LONGEST_WAIT
        if last.answered > 0:
            longest = min(longest, _LONGEST_AMONG_ANSWERS * self.backoff / last.answered)
        doubled = self.backoff * 2.0 ** min(tries.failed - 1, _MOST_DOUBLED)
        return min(longest, doubled) * (1.0 - draw / 2)

    async def tried(self, attempt: Callable[[], Awaitable[T]], on_failure: Callable[[CallFailed], None]) -> T:
        """What comes of a request by making its tries; `on_failure` is told of each that failed and is made
        again. Raises the last failure."""
        began = loop_time()
        try:
            return await attempt()
        except CallFailed as error:
            return await self.after(error, attempt, on_failure, began, RETRIED)

    async def after(
        self,
        first: CallFailed,
        attempt: Callable[[], Awaitable[T]],
        on_failure: Callable[[CallFailed], None],
        began: float,
        retried: Collection[FailureKind] = _UNPAID,
    ) -> T:
        """The same for a request whose first try failed; also raises the failure of an answer that came and
        cannot be read. began: when the first try did, by the loop's clock."""
        tries, error = Tries().after(first), first
        while error.failure.kind in retried:
            seconds = self.wait(tries, error, random.random())
            if seconds is None or loop_time() + seconds > began + self.total_timeout:
                break
            on_failure(error)
            await asyncio.sleep(seconds)
            try:
                return await attempt()
            except CallFailed as failed:
                tries, error = tries.after(failed), failed
        raise error
