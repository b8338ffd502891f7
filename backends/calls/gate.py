"""The gate before one endpoint and account: how many calls are in flight, how fast, and whether any at all.

It joins what the state machines `Breaker` and `Concurrency` decide with the waiting itself.
"""

import asyncio
import itertools
import logging
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache

from backends.calls.breaker import Breaker, BreakerPolicy
from backends.calls.concurrency import Concurrency
from backends.calls.endpoint_options import EndpointOptions
from backends.calls.failure import CallFailed, Failure
from backends.calls.loop import loop_time
from backends.calls.rates import Rates
from backends.calls.waiters import Turns
from backends.errors import BackendStopped
from backends.requests import Response

log = logging.getLogger("assay")

# So many requests refused and none ever answered: the others would be refused as well.
_HOPELESS = 50


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
        self._in_flight = 0
        self._paused_until = 0.0
        self._tickets = itertools.count()
        self._turns = Turns()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: str | None = None
        self._refused = 0
        self._has_answered = False

    async def through(
        self, call: Callable[[], Awaitable[Response]], *, tokens: int = 0, wait_while_away: bool = True
    ) -> Response:
        """Make a call when it may be made.

        tokens: that it is likely to take, in and out, for the rate. Raises what the call raises (CallFailed),
        BackendStopped where no call will be made any more, and EndpointAway where the endpoint does not
        answer at present and the caller does not want to wait for it.
        """
        sent = await self._enter(tokens, wait_while_away)
        try:
            response = await call()
            self._answered(response, sent)
            return response
        except CallFailed as error:
            self._failed(error.failure, sent)
            if self._stopped is not None:
                raise BackendStopped(self._stopped) from error
            raise
        finally:
            self._breaker = self._breaker.released(sent)  # where nothing is known of it: it was cancelled
            self._in_flight -= 1
            self._wake_next()

    def revive(self) -> None:
        """Let calls through again after a stop: a new run begins, and what was wrong may be mended."""
        self._stopped, self._refused = None, 0
        self._breaker = Breaker(self._policy.breaker)
        self._turns.all()

    def stop(self, why: str) -> None:
        """Let no more calls through; those that wait raise BackendStopped."""
        if self._stopped is None:
            self._stopped = why
            log.warning("no more calls: %s", why)
            self._turns.all()

    # Waiting

    async def _enter(self, tokens: int, wait_while_away: bool) -> float:
        """Wait until a call may go; when that was."""
        ticket = next(self._tickets)
        try:
            while (delay := self._delay(now := loop_time(), wait_while_away)) > 0:
                if delay < math.inf:
                    self._wake_in(delay)
                await self._turns.wait(ticket)
            self._in_flight += 1
            self._breaker = self._breaker.sent(now)
            self._rates = self._rates.sent(now, tokens)
            return now
        finally:
            self._wake_next()  # whatever came of this one's turn

    def _delay(self, now: float, wait_while_away: bool) -> float:
        """Seconds before asking again whether a call may go, infinity for when another ends; 0.0: now."""
        if self._stopped is not None:
            raise BackendStopped(self._stopped)
        away = self._breaker.wait(now)
        if away and not wait_while_away:
            raise EndpointAway(self.name)
        if wait_while_away and self._breaker.gives_up(now):
            raise BackendStopped(self._gave_up())
        if self._in_flight >= self._concurrency.limit or self._breaker.doubts(self._in_flight):
            return math.inf
        return max(away, self._paused_until - now, self._rates.wait(now))

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
        self._has_answered, self._refused = True, 0
        self._is_alive(now, sent)
        work = response.tokens_out + 1
        self._concurrency = self._concurrency.succeeded(now, sent, work, self._in_flight)

    def _failed(self, failure: Failure, sent: float) -> None:
        now = loop_time()
        match failure.kind:
            case "transient":
                self._is_away(now, sent, failure)
            case "rate_limited":
                self._is_alive(now, sent)
                self._concurrency = self._concurrency.rate_limited(now, sent)
                self._paused_until = max(self._paused_until, now + (failure.retry_after or 0.0))
            case "unauthorized":
                self.stop(f"{failure.message}; see to the key and its account, then start again")
            case "permanent":
                self._is_alive(now, sent)
                self._refused += 1
                if self._refused >= _HOPELESS and not self._has_answered:
                    self.stop(f"the first {self._refused} requests were all refused: {failure.message}")
            case "malformed":
                self._is_alive(now, sent)

    def _is_alive(self, now: float, sent: float) -> None:
        was_away = self._breaker.state(now) != "closed"
        self._breaker = self._breaker.succeeded(now, sent)
        if was_away and self._breaker.state(now) == "closed":
            log.warning("%s answers again", self.name)

    def _is_away(self, now: float, sent: float, failure: Failure) -> None:
        was_there = self._breaker.state(now) == "closed"
        self._breaker = self._breaker.failed(now, sent, random.random())
        if was_there and self._breaker.state(now) != "closed":
            log.warning("%s; calls wait until it answers again", failure.message)
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
