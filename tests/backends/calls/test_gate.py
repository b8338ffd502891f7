"""A gate lets calls through as its endpoint and the user allow, in simulated time."""

import asyncio
import math
from collections.abc import Sequence
from functools import partial

import pytest

from backends.calls.endpoint_options import EndpointOptions
from backends.calls.failure import CallFailed, Failure, FailureKind
from backends.calls.gate import EndpointAway, Gate, GatePolicy
from backends.calls.loop import loop_time
from backends.calls.retry import RetryPolicy
from backends.errors import BackendStopped
from backends.requests import Response
from tests.support.simulated_time import simulated

LATE = 0.1001  # seconds; what a loop that is late may catch up
DOWN = CallFailed(Failure("transient", "e: HTTP 503"))


class Model:
    """What is asked behind a gate: answers after `seconds`, but while `failure` is set; to the calls of these
    numbers it says 403 at once. arrived: when."""

    def __init__(self, seconds: float = 0.1, **options: object) -> None:
        self.gate = Gate("e", GatePolicy.of(EndpointOptions.model_validate(options)))
        self.seconds = seconds
        self.failure: CallFailed | None = None
        self.forbidden: set[int] = set()
        self.arrived: list[float] = []
        self.in_flight = self.most_in_flight = 0

    async def ask(self, tokens: int = 0, *, wait_while_away: bool = True, ends: float = math.inf) -> Response:
        return await self.gate.through(
            self._answer, tokens=tokens, wait_while_away=wait_while_away, ends=ends
        )

    async def ask_until_answered(self) -> Response:
        while True:
            try:
                return await self.ask()
            except CallFailed:
                continue

    async def ask_many(self, count: int, tokens: int = 0) -> Sequence[Response | BaseException]:
        return await asyncio.gather(*(self.ask(tokens) for _ in range(count)), return_exceptions=True)

    async def _answer(self) -> Response:
        number = len(self.arrived)
        self.arrived.append(loop_time())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if number in self.forbidden:
                raise CallFailed(Failure("forbidden", "e: HTTP 403"))
            await asyncio.sleep(self.seconds)
            if self.failure is not None:
                raise self.failure
            return Response(text="yes", tokens_out=1)
        finally:
            self.in_flight -= 1


@pytest.mark.parametrize("at_once", [1, 24])
def test_as_many_calls_are_in_flight_as_allowed(at_once: int) -> None:
    model = Model(max_concurrency=at_once)
    simulated(model.ask_many(200))
    assert model.most_in_flight == at_once


def test_requests_per_minute_are_kept_also_at_the_beginning() -> None:
    model = Model(requests_per_minute=600)
    simulated(model.ask_many(61))
    assert model.arrived == pytest.approx([number / 10 for number in range(61)], abs=LATE)


def test_tokens_per_minute_are_kept() -> None:
    model = Model(tokens_per_minute=6000)
    simulated(model.ask_many(31, tokens=100))
    assert model.arrived == pytest.approx([float(number) for number in range(31)], abs=LATE)


def test_all_wait_as_long_as_an_endpoint_says_when_it_refuses() -> None:
    async def refused_once(model: Model) -> None:
        model.failure = CallFailed(Failure("rate_limited", "e: HTTP 429", retry_after=30.0))
        with pytest.raises(CallFailed):
            await model.ask()
        model.failure = None
        await model.ask_many(5)

    model = Model()
    simulated(refused_once(model))
    assert min(model.arrived[1:]) >= 30.0


def test_an_outage_costs_few_calls_and_all_are_answered_after_it() -> None:
    async def outage(model: Model) -> list[Response]:
        model.failure = DOWN
        asking = asyncio.gather(*(model.ask_until_answered() for _ in range(50)))
        await asyncio.sleep(60)
        assert len(model.arrived) <= 20
        model.failure = None
        return await asking

    model = Model()
    assert [one.text for one in simulated(outage(model))] == ["yes"] * 50
    assert len(model.arrived) <= 70


def test_an_endpoint_that_stays_away_is_given_up() -> None:
    async def away(model: Model) -> float:
        model.failure = DOWN
        with pytest.raises(BackendStopped, match="has not answered for 120 s"):
            await model.ask_until_answered()
        return loop_time()

    assert 120 <= simulated(away(Model(give_up_after=120))) <= 140


def test_who_does_not_want_to_wait_is_told_that_an_endpoint_is_away() -> None:
    async def away(model: Model) -> None:
        model.failure = DOWN
        await model.ask_many(5)
        with pytest.raises(EndpointAway):
            await model.ask(wait_while_away=False)

    simulated(away(Model()))


def refusal(retry_after: float | None = None) -> CallFailed:
    return CallFailed(Failure("rate_limited", "e: HTTP 429: slow down", retry_after))


@pytest.mark.parametrize(("requests", "at_once"), [(1, 8), (8, 8), (50, 64)])
@pytest.mark.parametrize("retry_after", [None, 5.0])
def test_a_rate_limit_of_minutes_is_waited_out(
    requests: int, at_once: int, retry_after: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def limited(model: Model, retry: RetryPolicy) -> None:
        model.failure = refusal(retry_after)
        asking = [retry.tried(model.ask, lambda _: None) for _ in range(requests)]
        answers = asyncio.gather(*asking)
        await asyncio.sleep(200)
        model.failure = None
        assert {one.text for one in await answers} == {"yes"}
        assert loop_time() < 230

    model = Model(max_concurrency=at_once)
    simulated(limited(model, RetryPolicy.of(EndpointOptions.model_validate({}))))
    assert len(model.arrived) <= 2 * requests + 60
    said, back = [record.getMessage() for record in caplog.records][:2]
    assert "e: HTTP 429: slow down; calls wait, and the next is made at " in said
    assert "answers again" in back


@pytest.mark.parametrize("failure", [refusal(), refusal(900.0), DOWN])
def test_no_wait_is_longer_than_all_tries_may_take(failure: CallFailed) -> None:
    async def limited(model: Model, retry: RetryPolicy) -> float:
        async def one() -> None:
            ends = loop_time() + retry.total_timeout
            with pytest.raises(CallFailed):
                await retry.tried(partial(model.ask, ends=ends), lambda _: None)

        model.failure = failure
        await asyncio.gather(*(one() for _ in range(40)))
        return loop_time()

    options = EndpointOptions.model_validate({"total_timeout": 30.0})
    assert simulated(limited(Model(), RetryPolicy.of(options))) <= 30.0


def test_an_endpoint_that_refuses_all_calls_for_long_is_given_up() -> None:
    async def refused(model: Model) -> float:
        model.failure = refusal()
        with pytest.raises(BackendStopped, match="has not answered for 120 s"):
            await model.ask_until_answered()
        return loop_time()

    assert 120 <= simulated(refused(Model(give_up_after=120))) <= 160


def test_a_prompt_that_is_forbidden_among_answers_fails_alone() -> None:
    async def some(model: Model) -> None:
        model.forbidden = {1, 5, 9}
        found = await model.ask_many(40)
        assert [number for number, one in enumerate(found) if not isinstance(one, Response)] == [1, 5, 9]

    simulated(some(Model()))


@pytest.mark.parametrize("answered", [0, 100])
def test_where_every_prompt_is_forbidden_no_more_are_asked(answered: int) -> None:
    async def all_of_them(model: Model) -> None:
        await model.ask_many(answered)
        model.failure = CallFailed(Failure("forbidden", "e: HTTP 403"))
        with pytest.raises(BackendStopped, match="see to the key"):
            await asyncio.gather(*(model.ask_until_answered() for _ in range(200)))

    model = Model(max_concurrency=8)
    simulated(all_of_them(model))
    assert len(model.arrived) <= answered + 32


@pytest.mark.parametrize(("kind", "asked"), [("unauthorized", 1), ("permanent", 50)])
def test_where_every_request_would_be_refused_no_more_are_made(kind: FailureKind, asked: int) -> None:
    model = Model(max_concurrency=1)
    model.failure = CallFailed(Failure(kind, "e: HTTP 4xx"))
    found = simulated(model.ask_many(80))
    assert len(model.arrived) == asked
    assert sum(isinstance(one, BackendStopped) for one in found) == 80 - asked + 1
