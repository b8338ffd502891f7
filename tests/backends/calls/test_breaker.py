"""A breaker leaves a failing endpoint alone, tries it with one call, and can always recover."""

import heapq
import random
from collections.abc import Callable
from functools import partial
from math import nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.calls.breaker import (
    FAILURES,
    FEW,
    HOLD,
    LONG,
    LONGEST_COOL_DOWN,
    PATIENCE,
    Breaker,
    BreakerPolicy,
)

POLICY = BreakerPolicy(backoff=0.5, give_up_after=600.0)
COOL_DOWN = 1.0  # seconds; the first
EVEN = 0.5  # the draw that makes a cool-down neither longer nor shorter


def opened(at: float = 0.0, policy: BreakerPolicy = POLICY) -> Breaker:
    """A breaker that opened at a time."""
    breaker = Breaker(policy)
    for _ in range(FAILURES):
        breaker = breaker.failed(at, at, EVEN)
    return breaker


def test_once_calls_fail_no_more_are_wanted_than_show_whether_it_opens() -> None:
    breaker = Breaker(POLICY)
    assert not breaker.hold(0.0, 1000)
    for failures in range(1, FAILURES):
        breaker = breaker.failed(0.0, 0.0, EVEN)
        assert not breaker.hold(0.0, FAILURES - failures - 1)
        assert breaker.hold(0.0, FAILURES - failures)
    assert not breaker.hold(0.0, 0)
    assert not breaker.succeeded(1.0, 1.0).hold(1.0, 1000)
    assert not opened().hold(0.0, 1000)


def test_a_few_failures_hold_no_calls_up_where_many_are_in_flight_nor_for_long() -> None:
    breaker = Breaker(POLICY).failed(0.0, 0.0, EVEN)
    assert breaker.hold(0.0, FEW)
    assert not breaker.hold(0.0, FEW + 1)
    assert not breaker.hold(HOLD * POLICY.backoff, FEW)


def test_calls_that_fail_at_once_among_many_in_flight_do_not_open_it() -> None:
    """Answers come later than failures: of 64 calls sent together, 8 that fail are the first to be known."""
    breaker = Breaker(POLICY)
    for failures in range(1, 9):
        breaker = breaker.failed(0.001, 0.0, EVEN, in_flight=64 - failures)
    assert breaker.state(0.001) == "closed"


def test_where_many_calls_fail_by_chance_more_in_a_row_open_it() -> None:
    breaker = Breaker(POLICY)
    for _ in range(FAILURES):
        breaker = breaker.failed(0.0, 0.0, EVEN, answered=0.4)
    assert breaker.state(0.0) == "closed"
    for _ in range(2 * FAILURES):
        breaker = breaker.failed(0.0, 0.0, EVEN, answered=0.4)
    assert breaker.state(0.0) == "open"


def test_a_refusal_that_names_a_long_wait_speaks_for_all_calls() -> None:
    breaker = Breaker(POLICY)
    short = breaker.failed(0.0, 0.0, EVEN, is_refusal=True, retry_at=LONG / 2)
    long = breaker.failed(0.0, 0.0, EVEN, is_refusal=True, retry_at=30.0)
    assert (short.state(0.0), long.state(0.0), long.wait(0.0)) == ("closed", "open", 30.0)


def test_failures_in_a_row_open_it() -> None:
    breaker = Breaker(POLICY)
    for _ in range(FAILURES):
        assert breaker.wait(0.0) == 0.0
        breaker = breaker.failed(0.0, 0.0, EVEN)
    assert breaker.state(0.0) == "open"
    assert breaker.wait(0.25) == COOL_DOWN - 0.25


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(POLICY)
    for _ in range(10):
        for _ in range(FAILURES - 1):
            breaker = breaker.failed(1.0, 0.0, EVEN)
        breaker = breaker.succeeded(1.0, 1.0)
    assert breaker == Breaker(POLICY)


def interleaved(*, late: bool, pending: int = 0) -> Breaker:
    """After twice as many failures as open it, of calls sent one after another, with a success after each: of
    a call that was sent before the first failure (`late`) or after it; `pending` more calls are out."""
    breaker = Breaker(POLICY).failed(1.0, 0.5, EVEN)
    for _ in range(pending):
        breaker = breaker.sent(1.5)
    for number in range(2 * FAILURES):
        sent = 2.0 + number
        breaker = breaker.sent(sent).failed(sent, sent, EVEN).released(sent)
        breaker = breaker.succeeded(sent, 0.7 if late else sent)
    return breaker


def test_answers_to_calls_sent_before_an_outage_do_not_hide_it() -> None:
    assert interleaved(late=True).state(11.5) == "open"
    assert interleaved(late=False).state(11.5) == "closed"


def test_calls_that_fail_while_more_are_yet_to_be_answered_do_not_open_it() -> None:
    assert interleaved(late=True, pending=FAILURES).state(11.5) == "closed"


def test_a_probe_that_succeeds_closes_it_and_forgets_the_cool_downs() -> None:
    breaker = opened(0.0).sent(1.0).failed(2.0, 1.0, EVEN).sent(4.0).succeeded(5.0, 4.0)
    assert breaker.state(5.0) == "closed"
    for _ in range(FAILURES):
        breaker = breaker.failed(6.0, 5.0, EVEN)
    assert breaker.wait(6.0) == COOL_DOWN


def test_each_cool_down_is_longer_up_to_the_longest() -> None:
    breaker, now, waits = opened(0.0), 0.0, []
    for _ in range(500):
        waits.append(breaker.wait(now))
        now += waits[-1]
        breaker = breaker.sent(now).failed(now, now, EVEN)
    assert waits[:6] == pytest.approx([1, 2, 4, 8, 15, 15])
    assert max(waits) == pytest.approx(LONGEST_COOL_DOWN * POLICY.backoff)


def test_a_cool_down_is_drawn_within_the_jitter() -> None:
    breaker = Breaker(POLICY)
    for _ in range(FAILURES - 1):
        breaker = breaker.failed(0.0, 0.0, EVEN)
    assert breaker.failed(0.0, 0.0, 0.0).wait(0.0) == 0.75
    assert breaker.failed(0.0, 0.0, nextafter(1.0, 0.0)).wait(0.0) == pytest.approx(1.25)


def test_an_outage_is_waited_out_in_the_measure_of_single_failures() -> None:
    assert opened(0.0, BreakerPolicy(backoff=0.05, give_up_after=600.0)).wait(0.0) == pytest.approx(
        COOL_DOWN / 10
    )


def test_calls_sent_before_it_opened_no_longer_count() -> None:
    breaker = opened(10.0)
    assert breaker.succeeded(10.5, 9.0) == breaker.failed(10.5, 9.0, EVEN) == breaker.released(9.0) == breaker
    probing = breaker.sent(11.0)
    assert probing.succeeded(11.5, 9.0) == probing.failed(11.5, 9.0, EVEN) == probing.released(9.0) == probing


def test_calls_sent_before_it_closed_no_longer_count() -> None:
    closed = opened(10.0).sent(11.0).succeeded(12.0, 11.0)
    for _ in range(FAILURES):
        closed = closed.failed(12.5, 9.0, EVEN)
    assert closed.state(12.5) == "closed"


def test_a_cancelled_probe_gives_its_place_to_another() -> None:
    probing = opened(0.0).sent(1.0)
    assert probing.wait(1.0) > 0
    assert probing.released(1.0).wait(1.0) == 0.0
    assert probing.released(1.0).state(1.0) == "half_open"


def test_a_probe_that_hangs_loses_its_place_but_its_answer_still_counts() -> None:
    probing = opened(0.0).sent(1.0)
    late = 1.0 + probing.wait(1.0)
    assert late == 1.0 + PATIENCE
    second = probing.sent(late)
    assert second.wait(late) > 0
    assert second.released(1.0).wait(late) > 0
    assert second.succeeded(late + 1, 1.0).state(late + 1) == "closed"


def test_a_call_that_was_not_allowed_is_an_error_of_the_owner() -> None:
    with pytest.raises(ValueError, match="did not allow it"):
        opened(0.0).sent(0.5)
    with pytest.raises(ValueError, match="did not allow it"):
        opened(0.0).sent(1.0).sent(1.0)


def test_it_gives_up_after_being_open_in_one_piece() -> None:
    policy = BreakerPolicy(backoff=0.5, give_up_after=5.0)
    breaker = opened(10.0, policy).sent(11.0).failed(12.0, 11.0, EVEN).sent(14.0)
    assert not breaker.gives_up
    assert not breaker.failed(14.9, 14.0, EVEN).gives_up
    assert breaker.failed(15.0, 14.0, EVEN).gives_up
    assert not breaker.succeeded(15.0, 14.0).gives_up
    assert not Breaker(policy).gives_up


def calls_in_outage(draw: Callable[[], float], latency: Callable[[], float], seconds: float = 60.0) -> int:
    """How many calls an endpoint gets that is down for some seconds; 8 in flight, any number waiting."""
    breaker, now, calls = Breaker(POLICY), 0.0, 0
    in_flight: list[tuple[float, float]] = []
    while now < seconds:
        while len(in_flight) < 8 and breaker.wait(now) == 0.0:
            breaker, calls = breaker.sent(now), calls + 1
            heapq.heappush(in_flight, (now + latency(), now))
        if in_flight:
            now, sent_at = heapq.heappop(in_flight)
            breaker = breaker.failed(now, sent_at, draw())
        else:
            now += breaker.wait(now)
    return calls


def test_an_outage_of_a_minute_costs_at_most_twenty_calls() -> None:
    assert calls_in_outage(draw=lambda: 0.0, latency=lambda: 0.0) == 20  # the worst there is
    for slowest in (0.001, 0.1, 3.0):
        chance = random.Random(slowest)
        latency = partial(chance.uniform, 0.0, slowest)
        assert max(calls_in_outage(chance.random, latency) for _ in range(50)) <= 20


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["sent", "sent", "sent", "succeeded", "failed", "released", "lost", "time"]),
        st.integers(0, 9),
        st.floats(0.0, 1.0, exclude_max=True),
        st.floats(0.0, 20.0),
    ),
    min_size=20,
    max_size=80,
)


@given(EVENTS, st.booleans())
def test_half_open_lets_no_more_than_one_through_and_is_never_dead(
    events: list[tuple[str, int, float, float]], failing: bool
) -> None:
    breaker, now = (opened() if failing else Breaker(POLICY)), 0.0
    pending: list[float] = []
    for kind, which, draw, seconds in events:
        if kind == "time":
            now += seconds
        elif kind == "sent":
            if breaker.wait(now) == 0.0:
                breaker = breaker.sent(now)
                pending.append(now)
        elif pending:
            sent_at = pending.pop(which % len(pending))
            if kind == "succeeded":
                breaker = breaker.succeeded(now, sent_at)
            elif kind == "failed":
                breaker = breaker.failed(now, sent_at, draw)
            elif kind == "released":
                breaker = breaker.released(sent_at)
        if breaker.state(now) == "half_open":
            hoped_for = [at for at in pending if at >= breaker.since and now < at + PATIENCE]
            assert len(hoped_for) <= 1
    for _ in range(2):  # twice: a sum of floats can be too small by a little
        now += breaker.wait(now)
    assert breaker.wait(now) == 0.0
    closed = breaker.sent(now).succeeded(now + 1.0, now)
    assert closed.state(now + 1.0) == "closed"
