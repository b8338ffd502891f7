"""Requests that failed are asked again as their policy says, in simulated time."""

import itertools

import pytest

from backends.calls.failure import CallFailed, Failure, FailureKind
from backends.calls.loop import loop_time
from backends.calls.retry import RetryPolicy
from tests.support.simulated_time import simulated

POLICY = RetryPolicy(max_tries=8, total_timeout=3600.0, backoff=1.0)


def failing(kind: FailureKind = "transient", retry_after: float | None = None) -> CallFailed:
    return CallFailed(Failure(kind, "no", retry_after))


class Endpoint:
    """Fails so often, then answers. tries: when each was made."""

    def __init__(self, failures: int, error: CallFailed | None = None) -> None:
        self.failures, self.error = failures, error or failing()
        self.tries: list[float] = []

    async def answer(self) -> str:
        self.tries.append(loop_time())
        if len(self.tries) <= self.failures:
            raise self.error
        return "yes"

    async def asked(self, policy: RetryPolicy) -> str:
        """The first try and those after it, as the engine makes them."""
        began = loop_time()
        try:
            return await self.answer()
        except CallFailed as error:
            return await policy.after(error, self.answer, lambda _: None, began)

    @property
    def waits(self) -> list[float]:
        return [later - earlier for earlier, later in itertools.pairwise(self.tries)]


def test_waits_double_up_to_a_minute_and_a_part_of_each_is_drawn() -> None:
    endpoint = Endpoint(9)
    assert simulated(endpoint.asked(RetryPolicy(10, 3600.0, 1.0))) == "yes"
    for wait, usual in zip(endpoint.waits, (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=True):
        assert usual / 2 <= wait <= usual


def test_waits_are_short_where_most_calls_are_answered() -> None:
    error = CallFailed(failing().failure, answered=0.8)
    endpoint = Endpoint(9, error)
    assert simulated(endpoint.asked(RetryPolicy(10, 3600.0, 1.0))) == "yes"
    assert max(endpoint.waits) <= 2.5


def test_a_wait_of_our_own_time_out_is_repeated_once() -> None:
    endpoint = Endpoint(100, failing("timed_out"))
    with pytest.raises(CallFailed):
        simulated(endpoint.asked(POLICY))
    assert len(endpoint.tries) == 2


def test_tries_in_which_everybody_is_refused_do_not_count() -> None:
    error = CallFailed(failing("rate_limited").failure, is_everyones=True)
    endpoint = Endpoint(20, error)
    assert simulated(endpoint.asked(POLICY)) == "yes"


@pytest.mark.parametrize("named", [None, 3600.0])
def test_no_wait_passes_the_time_of_all_tries(named: float | None) -> None:
    endpoint = Endpoint(10_000, CallFailed(failing("rate_limited", named).failure, is_everyones=True))

    async def asked() -> float:
        with pytest.raises(CallFailed):
            await endpoint.asked(RetryPolicy(8, 300.0, 1.0))
        return loop_time()

    assert simulated(asked()) <= 300.0


def test_a_wait_that_the_endpoint_names_is_kept() -> None:
    endpoint = Endpoint(2, failing("rate_limited", retry_after=30.0))
    assert simulated(endpoint.asked(POLICY)) == "yes"
    assert all(30.0 <= wait <= 31.0 for wait in endpoint.waits)


def test_no_more_tries_are_made_than_allowed() -> None:
    endpoint = Endpoint(100)
    with pytest.raises(CallFailed):
        simulated(endpoint.asked(POLICY))
    assert len(endpoint.tries) == POLICY.max_tries


def test_tries_end_with_the_time_of_all() -> None:
    endpoint = Endpoint(100)
    with pytest.raises(CallFailed):
        simulated(endpoint.asked(RetryPolicy(100, 300.0, 1.0)))
    assert 200.0 <= endpoint.tries[-1] <= 300.0


@pytest.mark.parametrize("kind", ["permanent", "unauthorized"])
def test_what_asking_again_does_not_change_is_asked_once(kind: FailureKind) -> None:
    endpoint = Endpoint(100, failing(kind))
    with pytest.raises(CallFailed):
        simulated(endpoint.asked(POLICY))
    assert len(endpoint.tries) == 1
