"""An endpoint in simulated time: calls that fail by chance, rates that it enforces, outages; and who asks it.

Requests go through the gate and retries of the engine, with its window.
"""

import asyncio
import math
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from backends.calls.endpoint_options import EndpointOptions
from backends.calls.failure import CallFailed, Failure, FailureKind
from backends.calls.gate import Gate, GatePolicy
from backends.calls.loop import loop_time
from backends.calls.retry import RetryPolicy
from backends.requests import Response
from tests.support.endpoints.limits import MINUTE, Limit
from tests.support.simulated_time import simulated

REFUSAL = 0.001  # seconds until a call is refused


@dataclass(frozen=True, slots=True)
class Limited:
    """A rate that is enforced, of calls or tokens. names_wait: whether a refusal says when to come again."""

    limit: Limit
    is_tokens: bool = False
    names_wait: bool = False


@dataclass(slots=True)
class SimulatedEndpoint:
    """What is asked. calls: when each came, and what became of it: `answered` or the kind of its failure.

    faults: shares of calls that fail at once, by kind; `timed_out` is after `timeout`. unlucky: so many calls
    fail before the first that may be answered. away: from when to when all fail, and how.
    """

    latency: Callable[[random.Random], float] = lambda _: 0.05
    limits: tuple[Limited, ...] = ()
    faults: dict[FailureKind, float] = field(default_factory=dict)
    timeout: float = 5.0
    unlucky: int = 0
    at_once: int = 1 << 30
    tokens: Callable[[random.Random], int] = lambda chance: round(60 * chance.lognormvariate(0.0, 0.3))
    away: tuple[float, float, Failure] | None = None
    seed: int = 0
    calls: list[tuple[float, str]] = field(default_factory=list)
    in_flight: int = 0

    async def answer(self, chance: random.Random, tokens: int) -> Response:
        now = loop_time()
        self.in_flight += 1
        try:
            failure, seconds = self._failure(now, chance, tokens)
            self.calls.append((now, failure.kind if failure else "answered"))
            await asyncio.sleep(seconds)
            if failure:
                raise CallFailed(failure)
            return Response(text="yes", tokens_out=tokens)
        finally:
            self.in_flight -= 1

    def _failure(self, now: float, chance: random.Random, tokens: int) -> tuple[Failure | None, float]:
        if self.away and self.away[0] <= now < self.away[1]:
            return self.away[2], REFUSAL
        if len(self.calls) < self.unlucky:
            return Failure("rate_limited" if len(self.calls) % 2 else "transient", "by chance"), REFUSAL
        left = chance.random()
        for kind, share in self.faults.items():
            if left < share:
                return Failure(kind, "by chance"), self.timeout if kind == "timed_out" else REFUSAL
            left -= share
        if self.in_flight > self.at_once:
            return Failure("rate_limited", "too many at once"), REFUSAL
        amounts = [tokens if one.is_tokens else 1 for one in self.limits]
        waits = [one.limit.wait(now, amount) for one, amount in zip(self.limits, amounts, strict=True)]
        if max(waits, default=0.0) > 0:
            named = max(
                (wait for one, wait in zip(self.limits, waits, strict=True) if one.names_wait), default=0.0
            )
            return Failure("rate_limited", "too many", named or None), REFUSAL
        for one, amount in zip(self.limits, amounts, strict=True):
            one.limit.use(now, amount)
        return None, self.latency(chance)

    # What came of it

    def count(self, *kinds: str, since: float = 0.0, until: float = math.inf) -> int:
        return sum(kind in kinds for at, kind in self.calls if since <= at < until)

    def refused(self, since: float = 0.0) -> float:
        """The share of calls that were refused."""
        calls = sum(at >= since for at, _ in self.calls)
        return self.count("rate_limited", since=since) / calls if calls else 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of many requests: the seconds that all took, and how many had no answer."""

    seconds: float
    failed: int


def asked(endpoint: SimulatedEndpoint, count: int, *, seconds: float = math.inf, **options: object) -> Asked:
    """Ask so many requests, or for so long, as the engine does."""
    given = EndpointOptions.model_validate({"max_concurrency": 64, **options})
    gate, retry = Gate("e", GatePolicy.of(given)), RetryPolicy.of(given)
    places = given.max_concurrency + max(1, given.max_concurrency // 2)
    failed = 0

    async def work(numbers: Iterator[int]) -> None:
        nonlocal failed
        for number in numbers:
            chance = random.Random(f"{endpoint.seed} {number}")
            tokens = endpoint.tokens(chance)

            call = partial(endpoint.answer, chance, tokens)
            attempt = partial(gate.through, call, tokens=tokens)
            try:
                await retry.tried(attempt, lambda _: None)
            except CallFailed:
                failed += 1

    async def all_of_it() -> float:
        numbers = iter(range(count))
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(None if seconds == math.inf else seconds),
                asyncio.TaskGroup() as group,
            ):
                for _ in range(min(places, count)):
                    group.create_task(work(numbers))
        return loop_time()

    random.seed(endpoint.seed)
    return Asked(simulated(all_of_it()), failed)


def client(endpoint: SimulatedEndpoint, count: int, *, callers: int = 64, max_tries: int = 8) -> Asked:
    """The same by so many callers of OpenAI's client with its own retries: 0.5 s, doubled up to 8 s."""
    failed = 0

    async def work(numbers: Iterator[int]) -> None:
        nonlocal failed
        for number in numbers:
            chance = random.Random(f"{endpoint.seed} {number}")
            tokens = endpoint.tokens(chance)
            tried = 0
            while True:
                try:
                    await endpoint.answer(chance, tokens)
                    break
                except CallFailed as error:
                    if error.failure.kind == "malformed":  # which the client hands on, and does not try again
                        tried = 0
                        continue
                    if tried == max_tries - 1:
                        failed += 1
                        break
                    tried += 1
                    wait = min(0.5 * 2.0 ** (tried - 1), 8.0) * (1 - 0.25 * chance.random())
                    named = error.failure.retry_after
                    await asyncio.sleep(named if named is not None and 0 < named <= MINUTE else wait)

    async def all_of_it() -> float:
        numbers = iter(range(count))
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(work(numbers))
        return loop_time()

    return Asked(simulated(all_of_it()), failed)
