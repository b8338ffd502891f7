"""A circuit breaker: an endpoint that fails is left alone for a while, then tried with one call.

A pure state machine. Whoever owns it asks `wait` before a call, tells it of each call with `sent` and one of
`succeeded`, `failed` or `released`, keeps the new state, and wakes those who wait on each change. Times are
seconds by one clock that never goes back; `sent_at` is the very time that was given to `sent`.
"""

from dataclasses import dataclass, replace
from math import inf
from typing import Literal

State = Literal["closed", "open", "half_open"]

# With these numbers no more than 20 calls reach an endpoint in an outage of 60 seconds, beside those that
# were sent before its first failure was known: of many in flight that may be all at once.

# Failures in a row, without a success between, that open it. Of calls that fail by chance, one in twenty,
# five in a row are one in three million; an outage gives five at once.
FAILURES = 5
# The first cool-down, by `backoff`: with 0.5 it is a second, by which a restart of a proxy or a dropped
# connection is over.
FIRST_COOL_DOWN = 2.0
# By which each further cool-down is longer.
FACTOR = 2.0
# What no cool-down exceeds (before `JITTER`), by `backoff`: with 0.5 it is 15 seconds, what an outage of
# minutes costs after its end.
LONGEST_COOL_DOWN = 30.0
# The share by which a cool-down is drawn longer or shorter, so that processes that lost the same endpoint do
# not come back together.
JITTER = 0.25
# Seconds after which a probe without an outcome no longer keeps others from trying. Most answers take less; a
# probe that hangs must not hold all calls until its own time-out.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """How an endpoint's user wants its outages waited out.

    backoff: seconds that a single failure is waited out for at first; an outage has the same measure.
    give_up_after: seconds without a success after which `gives_up` is true. Longer than a server takes to
        start and load a large model; whoever waits longer should know.
    """

    backoff: float
    give_up_after: float

    def next_cool_down(self, last: float) -> float:
        """The cool-down, before jitter, after one of `last` seconds; 0.0: the first."""
        if not last:
            return FIRST_COOL_DOWN * self.backoff
        return min(LONGEST_COOL_DOWN * self.backoff, last * FACTOR)


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of a breaker. It starts closed: every call may be sent.

    Answers to calls that were sent before an endpoint went away still come when new calls fail already. So a
    failure casts a doubt, which only the answer to a call sent after it takes away; and a breaker also opens
    when most of the calls sent since then have failed, none was answered and the rest is yet to come.

    failures: in a row, while closed.
    cool_down: the current one in seconds, before jitter; 0.0 while closed.
    since: outcomes of calls sent before it do not count. When it closed; else when the cool-down ends.
    opened: when it left `closed`; of no meaning while closed.
    probed: when the one call was sent that is in flight since the cool-down's end. One is enough to know, and
        no herd for who recovers.
    doubted: since when there is a doubt, while closed; infinity for none.
    doubtful: failures of calls that were sent since then. unknown: how many of those are in flight.
    """

    policy: BreakerPolicy
    failures: int = 0
    cool_down: float = 0.0
    since: float = -inf
    opened: float = -inf
    probed: float = -inf
    doubted: float = inf
    doubtful: int = 0
    unknown: int = 0

    def state(self, now: float) -> State:
        """`closed`, `open`, or `half_open` once the cool-down is over."""
        if not self.cool_down:
            return "closed"
        return "open" if now < self.since else "half_open"

    def wait(self, now: float) -> float:
        """Seconds before asking again whether a call may be sent; 0.0: now.

        An outcome may change the answer earlier: the owner wakes those who wait on each change.
        """
        if not self.cool_down:
            return 0.0
        if now < self.since:
            return self.since - now
        return max(0.0, self.probed + PATIENCE - now)

    def doubts(self, in_flight: int) -> bool:
        """Whether calls fail, and so many are in flight that they will show whether the breaker opens: in an
        outage each more would be one more for nothing."""
        return self.failures > 0 and in_flight + self.failures >= FAILURES

    def gives_up(self, now: float) -> bool:
        """Whether there was no success for `give_up_after` seconds since it opened."""
        return self.cool_down > 0 and now - self.opened >= self.policy.give_up_after

    def sent(self, now: float) -> "Breaker":
        """After a call was sent. Raises ValueError where `wait` did not allow it."""
        if not self.cool_down:
            return self if self.doubted == inf else replace(self, unknown=self.unknown + 1)
        if self.wait(now) > 0:
            raise ValueError("a call was sent though the breaker did not allow it")
        return replace(self, probed=now)

    def succeeded(self, now: float, sent_at: float) -> "Breaker":
        """After an answer of any kind: also one that says to slow down, or that cannot be read."""
        if sent_at < self.since:
            return self
        if self.cool_down:
            return Breaker(self.policy, since=now)
        if sent_at >= self.doubted:
            return Breaker(self.policy, since=self.since)
        return replace(self, failures=0) if self.failures else self

    def failed(self, now: float, sent_at: float, draw: float) -> "Breaker":
        """After a call without an answer, or with one that says the server is down.

        draw: a random number in [0, 1), for the jitter.
        """
        if sent_at < self.since:
            return self
        if not self.cool_down and not (doubtful := self._after_failure(now, sent_at)).is_hopeless:
            return doubtful
        opened = self.opened if self.cool_down else now
        cool_down = self.policy.next_cool_down(self.cool_down)
        drawn = cool_down * (1.0 + JITTER * (2.0 * draw - 1.0))
        return Breaker(self.policy, 0, cool_down, now + drawn, opened)

    def released(self, sent_at: float) -> "Breaker":
        """After a call has ended, whatever is known of it: another may go in its place."""
        if self.unknown and sent_at >= self.doubted:
            return replace(self, unknown=self.unknown - 1)
        return replace(self, probed=-inf) if sent_at == self.probed else self

    @property
    def is_hopeless(self) -> bool:
        """Whether enough calls have failed to open a breaker that is closed."""
        is_most = self.doubtful >= self.unknown
        return self.failures >= FAILURES or (self.doubtful >= FAILURES and is_most)

    def _after_failure(self, now: float, sent_at: float) -> "Breaker":
        """One more failure while closed; it is itself still among the unknown."""
        if sent_at < self.doubted == inf:
            return replace(self, failures=self.failures + 1, doubted=now, doubtful=0, unknown=0)
        is_later = sent_at >= self.doubted
        return replace(self, failures=self.failures + 1, doubtful=self.doubtful + is_later)
