"""Calls go as fast as an endpoint takes them, and no slower where some fail by chance; in simulated time."""

import itertools

import pytest

from backends.calls.failure import FailureKind
from tests.support.endpoints.limits import Counting, Limit, limit
from tests.support.simulated_endpoint import Limited, SimulatedEndpoint, asked, client

COUNTINGS: tuple[Counting, ...] = ("bucket", "small bucket", "sliding", "fixed")
TOKENS = 63  # of a call, in the mean
SECONDS = 240.0


def limited(*limits: tuple[Limit, bool], names_wait: bool) -> SimulatedEndpoint:
    return SimulatedEndpoint(
        limits=tuple(Limited(one, is_tokens, names_wait) for one, is_tokens in limits),
        latency=lambda chance: 0.2 * chance.lognormvariate(-0.1, 0.5),
    )


@pytest.mark.parametrize("names_wait", [False, True])
@pytest.mark.parametrize("unit", ["requests", "tokens", "both"])
@pytest.mark.parametrize("counting", COUNTINGS)
def test_a_rate_that_is_enforced_is_used_up_and_hardly_passed(
    counting: Counting, unit: str, names_wait: bool
) -> None:
    """600 calls a minute. After the first minute nine in ten of what is allowed are answered, and fewer than
    one in twenty refused."""
    limits = {
        "requests": ((limit(counting, 600), False),),
        "tokens": ((limit(counting, 600 * TOKENS), True),),
        "both": ((limit(counting, 600), False), (limit(counting, 800 * TOKENS), True)),
    }
    endpoint = limited(*limits[unit], names_wait=names_wait)
    asked(endpoint, 1 << 30, seconds=SECONDS)
    assert endpoint.count("answered", since=60.0) >= 0.9 * 10 * (SECONDS - 60.0)
    assert endpoint.refused(since=60.0) < 0.05


def faults(share: float) -> dict[FailureKind, float]:
    """Of so many refused for the rate and as many with 500, dropped, malformed and hanging calls."""
    return {
        "rate_limited": share,
        "transient": 1.4 * share,
        "malformed": 0.2 * share,
        "timed_out": 0.2 * share,
    }


@pytest.mark.parametrize(("share", "seed"), list(itertools.product([0.01, 0.05, 0.2], [1, 2])))
def test_calls_that_fail_by_chance_cost_no_more_time_than_in_the_providers_client(
    share: float, seed: int
) -> None:
    ours = asked(SimulatedEndpoint(faults=faults(share), seed=seed), 1319, max_tries=30)
    theirs = client(SimulatedEndpoint(faults=faults(share), seed=seed), 1319, max_tries=30)
    assert ours.seconds <= 1.25 * theirs.seconds
    assert ours.failed <= 1319 * (0.4 * share) ** 2 + 5  # those that were waited for in vain twice


@pytest.mark.parametrize(("share", "seed"), list(itertools.product([0.05, 0.2], [3, 4, 6, 7])))
def test_chance_at_the_very_start_is_no_outage_and_no_rate(share: float, seed: int) -> None:
    """The first eight calls fail, when nothing is known yet of how many are answered."""
    ours = asked(SimulatedEndpoint(faults=faults(share), seed=seed, unlucky=8), 1319, max_tries=16)
    theirs = client(SimulatedEndpoint(faults=faults(share), seed=seed, unlucky=8), 1319, max_tries=16)
    assert ours.seconds <= 1.25 * theirs.seconds


@pytest.mark.parametrize("latency", [0.05, 5.0])
def test_where_calls_are_refused_by_chance_as_many_go_on(latency: float) -> None:
    endpoint = SimulatedEndpoint(faults={"rate_limited": 0.05}, latency=lambda _: latency)
    seconds = 60.0 if latency < 1 else 900.0
    asked(endpoint, 1 << 30, seconds=seconds)
    assert endpoint.count("answered") >= 0.75 * 64 * seconds / latency


@pytest.mark.parametrize("latency", [0.05, 5.0])
def test_an_endpoint_that_takes_so_many_calls_at_once_has_hardly_more(latency: float) -> None:
    endpoint = SimulatedEndpoint(
        at_once=40, latency=lambda chance: latency * chance.lognormvariate(-0.1, 0.5)
    )
    seconds = 60.0 if latency < 1 else 600.0
    asked(endpoint, 1 << 30, seconds=seconds, max_concurrency=256)
    late = seconds / 3
    assert endpoint.count("answered", since=late) >= 0.7 * 40 * (seconds - late) / latency
    assert endpoint.refused(since=late) < 0.05
