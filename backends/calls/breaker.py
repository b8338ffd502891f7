"""A circuit breaker: an endpoint that fails is left alone for a while, then tried with one call.

A pure state machine. Whoever owns it asks `wait` before a call, tells it of each call with `sent` and one of
`succeeded`, `failed` or `released`, keeps the new state, and wakes those who wait on each change. Times are
seconds by one clock that never goes back; `sent_at` is the very time that was given to `sent`.
"""

from dataclasses import dataclass, replace
from math import ceil, inf, log, log1p
from typing import Literal

State = Literal["closed", "open", "half_open"]

# With these numbers no more than 20 calls reach an endpoint in an outage of 60 seconds, beside those that
# were sent before its first failure was known: of many in flight that may be all at once.

# Failures in a row, without a success between, that open it, where nearly nothing else is in flight; more,
# where calls fail so often by chance that so many in a row would be likelier than this.
FAILURES = 5
LIKELY = 1e-3
MOST_FAILURES = 50
# So many times the calls in flight have to have failed. Failures come at once and answers after seconds: of
# many calls that were sent together, those that fail by chance are the first to be known.
MOST = 8
# Twice as many open it though answers still come: of calls that were all sent since the first failure, when
# that is so long ago, by `backoff`. Where an endpoint has no room, a call finds some soon.
DOUBT = 0.5
# While fewer calls are in flight than this many times the failures, no more are sent: they would show nothing
# that the others do not. More in flight are not held up for one that failed.
FEW = 8
# How long they are held up by one failure, by `backoff`: what is in flight may take long, or hang.
HOLD = 10.0
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
# Seconds to wait that, where a refusal names as many, speak for all calls: others would be refused as well.
LONG = 5.0
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


def enough_failures(answered: float) -> int:
    """How many failures in a row are hardly chance, where that share of calls is answered; 0.0: none was."""
    if not 0.0 < answered < 1.0:
        return FAILURES
    return min(max(FAILURES, ceil(log(LIKELY) / log1p(-answered))), MOST_FAILURES)


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of a breaker. It starts closed: every call may be sent.

    It opens when nearly nothing succeeds, not when calls fail by chance. Answers to calls that were sent
    before an endpoint went away still come when new calls fail already. So a failure casts a doubt, which
    only the answer to a call sent after it takes away; and a breaker also opens when nearly all of the calls
    sent since then have failed and none was answered.

    A call may fail because the endpoint is away, or because it refuses all for its rate limit. Both are
    waited out alike.

    failures: in a row, while closed.
    cool_down: the current one in seconds, before jitter; 0.0 while closed.
    since: outcomes of calls sent before it do not count. When it closed; else when the cool-down ends.
    opened: when it left `closed`; of no meaning while closed. failed_at: when a call failed last.
    probed: when the one call was sent that is in flight since the cool-down's end. One is enough to know, and
        no herd for who recovers.
    doubted: since when there is a doubt, while closed; infinity for none.
    doubtful: failures of calls that were sent since then. unknown: how many of those are in flight.
    refusals: failures since then that were refusals for the rate. others: those that were not.
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
    failed_at: float = -inf
    refusals: int = 0
    others: int = 0

    def state(self, now: float) -> State:
        """`closed`, `open`, or `half_open` once the cool-down is over."""
        if not self.cool_down:
            return "closed"
        return "open" if now < self.since else "half_open"

    @property
    def is_for_rate(self) -> bool:
        """Whether what opened it were refusals for the rate."""
        return self.refusals >= FAILURES and self.others * FEW <= self.refusals

    def wait(self, now: float) -> float:
        """Seconds before asking again whether a call may be sent; 0.0: now.

        An outcome may change the answer earlier: the owner wakes those who wait on each change.
        """
        if not self.cool_down:
            return 0.0
        if now < self.since:
            return self.since - now
        return max(0.0, self.probed + PATIENCE - now)

    def hold(self, now: float, in_flight: int) -> float:
        """Seconds to wait because calls fail, and so many are in flight that they will show whether it opens:
        in an outage each more would be one more for nothing. 0.0: none."""
        is_held = 0 < in_flight <= FEW * self.failures and in_flight + self.failures >= FAILURES
        return max(0.0, self.failed_at + HOLD * self.policy.backoff - now) if is_held else 0.0

    @property
    def gives_up(self) -> bool:
        """Whether calls failed for `give_up_after` seconds since it opened, without a success."""
        return self.cool_down > 0 and self.failed_at - self.opened >= self.policy.give_up_after

    def sent(self, now: float) -> "Breaker":
        """After a call was sent. Raises ValueError where `wait` did not allow it."""
        if not self.cool_down:
            return self if self.doubted == inf else replace(self, unknown=self.unknown + 1)
        if self.wait(now) > 0:
            raise ValueError("a call was sent though the breaker did not allow it")
        return replace(self, probed=now)

    def succeeded(self, now: float, sent_at: float) -> "Breaker":
        """After an answer of any kind, also one that cannot be read."""
        if sent_at < self.since:
            return self
        if self.cool_down:
            return Breaker(self.policy, since=now)
        if sent_at >= self.doubted:
            return Breaker(self.policy, since=self.since)
        return replace(self, failures=0) if self.failures else self

    def failed(
        self,
        now: float,
        sent_at: float,
        draw: float,
        *,
        in_flight: int = 0,
        answered: float = 1.0,
        is_refusal: bool = False,
        retry_at: float | None = None,
        latest: float = inf,
    ) -> "Breaker":
        """After a call without an answer, with one that says the server is down, or refused for the rate.

        draw: a random number in [0, 1), for the jitter. in_flight: other calls that are. answered: the
        share of calls that were answered of late. retry_at: when the endpoint says that it is to be tried
        again. latest: when it may be back, if that lies ahead.
        """
        if sent_at < self.since:
            return self
        speaks_for_all = is_refusal and retry_at is not None and retry_at - now >= LONG
        after = self._after_failure(now, sent_at, FAILURES if speaks_for_all else 1, is_refusal)
        if not self.cool_down and not speaks_for_all and not after._is_hopeless(now, in_flight, answered):
            return after
        cool_down = self.policy.next_cool_down(self.cool_down)
        ends = now + cool_down * (1.0 + JITTER * (2.0 * draw - 1.0))
        if now < latest < ends:
            ends = latest
        return Breaker(
            self.policy,
            cool_down=cool_down,
            since=ends if retry_at is None else retry_at,
            opened=self.opened if self.cool_down else now,
            failed_at=now,
            refusals=after.refusals,
            others=after.others,
        )

    def released(self, sent_at: float) -> "Breaker":
        """After a call has ended, whatever is known of it: another may go in its place."""
        if self.unknown and sent_at >= self.doubted:
            return replace(self, unknown=self.unknown - 1)
        return replace(self, probed=-inf) if sent_at == self.probed else self

    def _is_hopeless(self, now: float, in_flight: int, answered: float) -> bool:
        """Whether enough calls have failed to open a breaker that is closed; the last is itself still among
        the unknown."""
        enough = enough_failures(answered)
        is_long = now - self.doubted >= HOLD * self.policy.backoff
        is_row = self.failures >= enough and (is_long or self.failures >= MOST * in_flight)
        is_later = now - self.doubted >= DOUBT * self.policy.backoff
        is_most = self.doubtful >= max(2 * enough, MOST * (self.unknown - 1))
        return is_row or (is_later and is_most)

    def _after_failure(self, now: float, sent_at: float, count: int, is_refusal: bool) -> "Breaker":
        """After one more failure, which counts so often."""
        is_first = sent_at < self.doubted == inf
        return replace(
            self,
            failures=self.failures + count,
            failed_at=now,
            doubted=now if is_first else self.doubted,
            doubtful=self.doubtful + (not is_first and sent_at >= self.doubted),
            refusals=self.refusals + (count if is_refusal else 0),
            others=self.others + (0 if is_refusal else count),
        )
