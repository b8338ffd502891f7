"""Streamed answers: the same texts, and when their tokens came, by the endpoint's own clock."""

import math
import statistics

import pytest

from tests.support.asking import Open, answers, calls, questions, truth
from tests.support.endpoints.answers import tokens_of
from tests.support.endpoints.endpoint import Endpoint


@pytest.mark.parametrize("kind", ["openai-chat", "openai-completions"])
def test_a_streamed_answer_says_what_a_whole_one_says(opened: Open, kind: str) -> None:
    requests = questions(30)
    without, streamed = (answers(opened(kind, stream=stream), requests) for stream in (False, True))
    for one, other in zip(without, streamed, strict=True):
        assert (one.text, one.status) == (other.text, other.status)
        assert (one.tokens_in, one.tokens_out) == (other.tokens_in, other.tokens_out)
    assert {call.first_token for call in calls(without)} == {None}
    assert all(call.counted for call in calls(streamed))


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(math.inf, id="whatever else the machine does"),
        # In the median: of single ones a machine may be late that does nothing else.
        pytest.param(0.005, id="to milliseconds", marks=pytest.mark.slow),
    ],
)
def test_times_are_those_of_the_endpoint(opened: Open, endpoint: Endpoint, late: float) -> None:
    """late: seconds that a call's own times may be after the endpoint's."""
    endpoint.change(latency=0.03, first_token=0.05, latency_per_token=0.005)
    requests = questions(20)
    responses = answers(opened(stream=True, max_concurrency=1), requests)
    log = endpoint.log()
    arrives, first, last, each = [], [], [], []
    for call, seen, request in zip(calls(responses), log, requests, strict=True):
        assert 0 <= call.started < (call.first_token or -1) <= call.finished
        arrives.append(seen["arrived"] - (call.enqueued + call.started))
        first.append(call.enqueued + (call.first_token or 0) - seen["first_byte"] - 0.05)
        last.append(call.enqueued + call.finished - seen["last_byte"])
        tokens = len(tokens_of(truth(request)))
        if tokens > 1:
            each.append((call.finished - (call.first_token or 0)) / (tokens - 1) - 0.005)
    for later in (arrives, first, last, each):
        assert -0.001 < statistics.median(later) < late


def test_a_first_token_that_comes_late_is_not_taken_for_the_head_that_came_before(
    opened: Open, endpoint: Endpoint
) -> None:
    endpoint.change(first_token=0.2)
    (call,) = calls(answers(opened(stream=True), questions(1)))
    assert (call.first_token or 0) - call.started >= 0.2


def test_the_time_out_of_a_stream_is_how_long_it_may_bring_nothing(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(latency_per_token=1.0)
    (response,) = answers(opened(stream=True, timeout=0.2, max_tries=2), questions(1, start=3))
    assert response.status == "failed"
    assert "no answer within 0.2 s; where answers take longer, raise the option timeout" in str(
        response.error
    )
    endpoint.change(latency_per_token=0.15)
    requests = questions(4)
    responses = answers(opened(stream=True, timeout=1.0), requests)
    assert max(response.seconds for response in responses) > 1.0
    assert [response.text for response in responses] == [truth(request) for request in requests]


def test_a_stream_ends_with_the_time_of_all_tries(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(latency_per_token=0.2)
    (response,) = answers(opened(stream=True, timeout=5, total_timeout=0.5), questions(1, start=3))
    assert response.status == "failed"


def test_a_generation_that_ends_at_its_limit_is_truncated(opened: Open) -> None:
    from backends.requests import Request

    request = Request("generate_until", "Question 3?", generation={"max_gen_toks": 2})
    for stream in (False, True):
        (response,) = answers(opened(stream=stream), [request])
        assert response.status == "truncated"
        assert response.text == "".join(tokens_of(truth(request))[:2])
