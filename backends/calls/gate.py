"""The gate before one endpoint and account: how many calls are in flight, how fast, and whether any at all.

It joins what the state machines `Breaker`, `Concurrency`, `Pace` and `Hopeless` decide with the waiting
itself.
"""

import asyncio
import itertools
import logging
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cache

from backends.calls.breaker import Breaker, BreakerPolicy
from backends.calls.concurrency import Concurrency
from backends.calls.endpoint_options import EndpointOptions
from backends.calls.failure import CallFailed, Failure
from backends.calls.hopeless import Hopeless, see_to_the_key
from backends.calls.loop import loop_time
from backends.calls.pace import MINUTE, Pace
from backends.calls.rates import Rates
from backends.calls.waiters import Turns
from backends.calls.waits import LongWait
from backends.errors import BackendStopped
from backends.requests import Response

log = logging.getLogger("assay")

# Calls that the share of answers is taken over, about.
_OF_LATE = 50


class EndpointAway(Exception):
    """The endpoint does not answer at present, and the caller does not want to wait."""


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """What the user allows (see `EndpointOptions`). Rates are per minute."""

    breaker: BreakerPolicy
    max_concurrency: int
    requests_per_minute: float | None
    tokens_per_minute: float | None

    @classmethod
    def of(cls, options: EndpointOptions) -> "GatePolicy":
        return cls(
            BreakerPolicy(options.backoff, options.give_up_after),
            options.max_concurrency,
            options.requests_per_minute,
            options.tokens_per_minute,
        )


class Gate:
    """Lets calls through to one endpoint; on the engine's loop only, whose clock it goes by.

    name: the endpoint as people know it.
    """

    def __init__(self, name: str, policy: GatePolicy) -> None:
        self.name = name
        self._policy = policy
        self._breaker = Breaker(policy.breaker)
        self._concurrency = Concurrency.starting(policy.max_concurrency)
        self._rates = Rates.of(policy.requests_per_minute, policy.tokens_per_minute)
        self._pace = Pace()
        self._hopeless = Hopeless()
        self._outcomes = 0
        self._share_answered = 0.0
        self._in_flight = 0
        self._paused_until = 0.0
        self._tickets = itertools.count()
        self._turns = Turns()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: str | None = None
        self._long_wait = LongWait(name)
        self._has_said_pace = False

    async def through(
        self,
        call: Callable[[], Awaitable[Response]],
        *,
        tokens: int = 0,
        wait_while_away: bool = True,
        ends: float = math.inf,
    ) -> Response:
        """Make a call when it may be made.

        tokens: that it is likely to take, in and out, for the rate. ends: until when an endpoint that takes
        no calls is waited for. Raises what the call raises (CallFailed), or would where that wait is longer;
        BackendStopped where no call will be made any more, and EndpointAway where the endpoint does not
        answer at present and the caller does not want to wait for it.
        """
        sent = await self._enter(tokens, wait_while_away, ends)
        try:
            response = await call()
            self._answered(response, sent)
            return response
        except CallFailed as error:
            failed = self._failed(error, sent)
            if self._stopped is not None:
                raise BackendStopped(self._stopped) from error
            raise failed from error
        finally:
            self._breaker = self._breaker.released(sent)  # where nothing is known of it: it was cancelled
            self._in_flight -= 1
            self._wake_next()

    def revive(self) -> None:
        """Let calls through again after a stop: a new run begins, and what was wrong may be mended."""
        self._stopped, self._hopeless = None, Hopeless()
        self._breaker = Breaker(self._policy.breaker)
        self._has_said_pace = False
        self._turns.all()

    def stop(self, why: str) -> None:
        """Let no more calls through; those that wait raise BackendStopped."""
        if self._stopped is None:
            self._stopped = why
            log.warning("no more calls: %s", why)
            self._turns.all()

    # Waiting

    async def _enter(self, tokens: int, wait_while_away: bool, ends: float) -> float:
        """Wait until a call may go; when that was."""
        ticket = next(self._tickets)
        try:
            while (delay := self._delay(now := loop_time(), wait_while_away, ends)) > 0:
                if delay < math.inf:
                    self._wake_in(delay)
                await self._turns.wait(ticket)
            self._in_flight += 1
            if self._breaker.state(now) == "closed":
                self._long_wait.over()
                self._pace = self._pace.sent(now)
            self._breaker = self._breaker.sent(now)
            self._rates = self._rates.sent(now, tokens)
            return now
        finally:
            self._wake_next()  # whatever came of this one's turn

    def _delay(self, now: float, wait_while_away: bool, ends: float) -> float:
        """Seconds before asking again whether a call may go, infinity for when another ends; 0.0: now."""
        if self._stopped is not None:
            raise BackendStopped(self._stopped)
        away = self._breaker.wait(now)
        if away and not wait_while_away:
            raise EndpointAway(self.name)
        if wait_while_away and self._breaker.gives_up:
            raise BackendStopped(self._gave_up())
        held = max(away, self._paused_until - now)
        if held > 0:
            self._long_wait.until(now, now + held)
            if now + held > ends:
                raise CallFailed(self._long_wait.failure(held), is_everyones=True)
        if self._in_flight >= self._concurrency.limit:
            return math.inf
        hold = self._breaker.hold(now, self._in_flight)
        return max(held, hold, self._rates.wait(now), self._pace.wait(now))

    def _wake_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if self._timer is None or not loop.time() < self._timer.when() <= when:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(when, self._wake_next)

    def _wake_next(self) -> None:
        if self._in_flight < self._concurrency.limit:
            self._turns.next()

    # What came of calls

    def _answered(self, response: Response, sent: float) -> None:
        now = loop_time()
        self._hopeless = self._hopeless.answered()
        self._count(1.0)
        self._is_alive(now, sent)
        if not self._pace.wait(now):  # else it is the pace that decides how many are in flight
            work = response.tokens_out + 1
            self._concurrency = self._concurrency.succeeded(now, sent, work, self._in_flight)

    def _count(self, answered: float) -> None:
        """Of the first calls the share is their mean; later the older ones fade."""
        self._outcomes = min(self._outcomes + 1, _OF_LATE)
        self._share_answered += (answered - self._share_answered) / self._outcomes

    def _failed(self, error: CallFailed, sent: float) -> CallFailed:
        """The failure as whoever made the call is told of it."""
        now, others, failure = loop_time(), self._in_flight - 1, error.failure
        self._count(0.0)
        self._hopeless = self._hopeless.failed(failure)
        if (verdict := self._hopeless.verdict(failure, others)) is not None:
            self.stop(verdict)
        match failure.kind:
            case "transient":
                self._is_away(now, sent, failure)
            case "timed_out":
                # It may be slow and well. Only one that was away already is still away.
                if self._breaker.state(now) != "closed":
                    self._is_away(now, sent, failure)
            case "rate_limited":
                self._is_refused(now, sent, failure)
            case "permanent" | "malformed" | "forbidden":
                self._is_alive(now, sent)
        if failure.kind == "forbidden" and not self._hopeless.has_answered:
            failure = replace(failure, message=see_to_the_key(failure))
        is_everyones = failure.kind == "rate_limited" and self._breaker.state(now) != "closed"
        return CallFailed(failure, error.came, is_everyones=is_everyones, answered=self._share_answered)

    def _is_alive(self, now: float, sent: float) -> None:
        before, self._breaker = self._breaker, self._breaker.succeeded(now, sent)
        if before.state(now) == "closed" or self._breaker.state(now) != "closed":
            return
        was_said = self._long_wait.over()
        if was_said:
            log.warning("%s answers again", self.name)
        if before.is_for_rate:
            pace = self._pace.reopened(now, before.opened, before.failed_at)
            self._learn(pace, is_sure=was_said)
        else:
            self._pace = self._pace.interrupted(now)

    def _is_refused(self, now: float, sent: float, failure: Failure) -> None:
        if self._breaker.state(now) == "closed":
            self._learn(self._pace.refused(now, sent))
            if self._pace.refuses_most:
                self._concurrency = self._concurrency.rate_limited(now, sent)
        if failure.retry_after is not None and not self._pace.is_chance:
            self._paused_until = max(self._paused_until, now + failure.retry_after)
        self._is_away(now, sent, failure)

    def _learn(self, pace: Pace, *, is_sure: bool = False) -> None:
        """Take a pace over."""
        is_sure |= pace.has_helped(self._pace)
        self._pace = pace
        if is_sure and pace.is_set and not self._has_said_pace:
            self._has_said_pace = True
            log.warning(
                "%s takes about %.3g calls a minute; they go at that rate", self.name, MINUTE * pace.rate
            )

    def _is_away(self, now: float, sent: float, failure: Failure) -> None:
        was_there, is_refusal = self._breaker.state(now) == "closed", failure.kind == "rate_limited"
        self._breaker = self._breaker.failed(
            now,
            sent,
            random.random(),
            in_flight=self._in_flight - 1,
            answered=self._share_answered,
            is_refusal=is_refusal,
            retry_at=None if failure.retry_after is None else now + failure.retry_after,
            latest=self._pace.window_ends if is_refusal else math.inf,
        )
        self._long_wait.because_of(failure)
        if self._breaker.state(now) == "closed":
            return
        self._long_wait.until(now, self._breaker.since)
        if was_there:
            if not self._breaker.is_for_rate:
                self._long_wait.say_away()
            self._turns.all()

    def _gave_up(self) -> str:
        return (
            f"{self.name} has not answered for {self._policy.breaker.give_up_after:g} s; start again when it "
            "is back, or have it waited for longer with give_up_after"
        )


@cache
def gate_for(endpoint: str, account: str, policy: GatePolicy) -> Gate:
    """The gate of an endpoint and account, the same for all that this process asks of it.

    endpoint: its address. account: what tells keys apart, and is none.
    """
    return Gate(endpoint, policy)
