"""A limit on calls in flight finds what an endpoint can take, against toy servers in simulated time."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.calls.concurrency import Concurrency

SECOND = 20  # calls that one place answers in a second, where nothing slows the server down


@dataclass
class Run:
    """What happened in a simulation: the limit after each call, and the work that each brought (0: a 429)."""

    times: list[float] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    works: list[float] = field(default_factory=list)

    def since(self, start: float) -> list[int]:
        return [limit for time, limit in zip(self.times, self.limits, strict=True) if time >= start]

    def throughput(self, start: float) -> float:
        done = sum(work for time, work in zip(self.times, self.works, strict=True) if time >= start)
        return done / (self.times[-1] - start)


def answered(
    highest: int,
    server: Callable[[int], tuple[bool, float]],
    seconds: float,
    limit: Concurrency | None = None,
) -> Run:
    """Calls to a server that says for each, by the calls in flight, whether it is answered, and when."""
    limit = limit or Concurrency.starting(highest)
    now, in_flight, run = 0.0, list[tuple[float, float, bool]](), Run()
    while now < seconds:
        while len(in_flight) < limit.limit:
            good, latency = server(len(in_flight) + 1)
            heapq.heappush(in_flight, (now + latency, now, good))
        now, sent_at, good = heapq.heappop(in_flight)
        if good:
            limit = limit.succeeded(now, sent_at, 1.0, len(in_flight) + 1)
        else:
            limit = limit.rate_limited(now, sent_at)
        run.times.append(now)
        run.limits.append(limit.limit)
        run.works.append(float(good))
    return run


def shared(
    highest: int, rate: Callable[[int], float], seconds: float, size: Callable[[], float] = lambda: 1.0
) -> Run:
    """Calls to a server that does `rate(calls in flight)` of work a second, shared evenly among them."""
    limit, now, run = Concurrency.starting(highest), 0.0, Run()
    done, in_flight = 0.0, list[tuple[float, float, float]]()  # done: of each call since the start
    while now < seconds:
        while len(in_flight) < limit.limit:
            work = size()
            heapq.heappush(in_flight, (done + work, now, work))
        busy = len(in_flight)
        ends, sent_at, work = heapq.heappop(in_flight)
        now += (ends - done) * busy / rate(busy)
        done = ends
        limit = limit.succeeded(now, sent_at, work, busy)
        run.times.append(now)
        run.limits.append(limit.limit)
        run.works.append(work)
    return run


def sizes(seed: int) -> Callable[[], float]:
    """Answers as they are: half a word, half of very different lengths."""
    chance = random.Random(seed)
    return lambda: 1.0 if chance.random() < 0.5 else chance.lognormvariate(1.0, 1.0)


def test_a_server_that_takes_all_gets_all_within_a_second_and_for_good() -> None:
    run = answered(64, lambda _: (True, 0.05), 20.0)
    assert min(run.since(1.0)) == 64


def test_above_a_hard_limit_it_settles_near_below_with_few_429s() -> None:
    run = answered(256, lambda busy: (busy <= 40, 0.05 if busy <= 40 else 0.01), 30.0)
    limits = run.since(5.0)
    assert 0.6 * 40 <= min(limits) <= max(limits) <= 41
    assert sum(limits) / len(limits) >= 0.8 * 40
    assert run.works.count(0.0) < 0.04 * len(run.works)


def test_random_429s_never_stop_it_and_it_recovers() -> None:
    chance = random.Random(0)
    run = answered(64, lambda _: (chance.random() >= 0.05, 0.05), 20.0)
    assert 1 <= min(run.limits) <= max(run.since(10.0)) < 32
    low = Concurrency.starting(64).rate_limited(0.0, 0.0)
    assert answered(64, lambda _: (True, 0.05), 10.0, low).limits[-1] == 64


@pytest.mark.parametrize("places", [4, 16, 64])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_server_that_batches_keeps_its_throughput(places: int, seed: int) -> None:
    run = shared(256, lambda busy: SECOND * min(busy, places), 100.0, sizes(seed))
    assert run.throughput(40.0) >= 0.85 * SECOND * places


def test_latency_that_grows_with_the_calls_in_flight_is_no_reason_for_less_than_the_first() -> None:
    run = shared(64, lambda _: SECOND * 4.0, 60.0)
    assert min(run.limits) >= 8


@pytest.mark.parametrize("places", [16, 40, 100])
def test_a_server_that_collapses_is_kept_where_it_works(places: int) -> None:
    best = SECOND * places
    run = shared(256, lambda busy: SECOND * busy if busy <= places else 0.25 * best, 40.0)
    assert run.throughput(15.0) >= 0.7 * best


def measured(
    limit: Concurrency, start: float, latency: float, rounds: int, in_flight: int = 8, work: float = 10.0
) -> Concurrency:
    """After rounds of calls in step, with the same latency and work."""
    for _ in range(rounds):
        for _ in range(in_flight):
            limit = limit.succeeded(start + latency, start, work, in_flight)
        start += latency
    return limit


def test_a_collapse_without_more_calls_in_flight_lowers_the_limit_until_it_is_the_norm() -> None:
    well = measured(Concurrency.starting(8), 0.0, 0.1, 10)
    assert measured(well, 1.0, 0.15, 20).limit == 8
    slow = measured(well, 1.0, 1.0, 2)
    assert slow.limit < 8
    assert measured(slow, 3.0, 1.0, 100).limit == 8


def test_longer_and_shorter_answers_are_no_collapse() -> None:
    well = measured(Concurrency.starting(8), 0.0, 0.1, 10)
    assert measured(well, 1.0, 1.0, 5, work=100.0).limit == 8
    assert measured(well, 1.0, 0.05, 5, work=1.0).limit == 8


def test_any_number_of_429s_leaves_one_call_in_flight() -> None:
    limit = Concurrency.starting(64)
    for second in range(100):
        limit = limit.rate_limited(second + 0.5, second)
    assert limit.limit == 1
    assert measured(limit, 200.0, 0.1, 2, in_flight=1).limit > 1


def test_one_round_trip_lowers_the_limit_once() -> None:
    limit = Concurrency(100, 100.0)
    for late in range(10):
        limit = limit.rate_limited(1.0 + late / 100, 0.5)
    assert limit.limit == 70
    assert limit.succeeded(1.2, 0.9, 1.0, 100) == limit
    assert limit.rate_limited(2.0, 1.5).limit == 49


def test_after_a_429_the_limit_grows_by_one_for_each_limit_of_successes() -> None:
    limit = Concurrency(100, 20.0).rate_limited(0.0, 0.0)
    assert limit.limit == 14
    for _ in range(16):
        limit = limit.succeeded(2.0, 1.0, 1.0, 14)
    assert limit.limit == 15


@pytest.mark.parametrize("slow_start", [True, False])
def test_a_limit_that_is_not_reached_does_not_drift_up(slow_start: bool) -> None:
    limit = Concurrency(100, 20.0)
    limit = limit if slow_start else limit.rate_limited(0.0, 0.0)
    before = limit.limit
    assert measured(limit, 1.0, 0.1, 100, in_flight=5).limit == before


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["succeeded", "succeeded", "succeeded", "rate_limited"]),
        st.floats(0.0, 10.0),
        st.floats(0.0, 20.0),
        st.floats(1.0, 1e5),
        st.integers(1, 100),
    ),
    max_size=150,
)


@given(st.integers(1, 100), st.integers(1, 100), EVENTS)
def test_the_limit_stays_in_bounds_and_a_429_never_raises_it(
    highest: int, start: int, events: list[tuple[str, float, float, float, int]]
) -> None:
    limit, now = Concurrency(highest, float(min(start, highest))), 0.0
    for kind, passed, latency, work, in_flight in events:
        now += passed
        before = limit.limit
        if kind == "succeeded":
            limit = limit.succeeded(now, now - latency, work, in_flight)
            assert limit.limit <= before + 1
        else:
            limit = limit.rate_limited(now, now - latency)
            assert limit.limit <= before
        assert 1 <= limit.limit <= highest


@given(st.integers(1, 100), st.integers(1, 100))
def test_answers_that_never_change_never_lower_the_limit(highest: int, start: int) -> None:
    run = answered(highest, lambda _: (True, 0.05), 1.0, Concurrency(highest, float(min(start, highest))))
    assert run.limits == sorted(run.limits)
