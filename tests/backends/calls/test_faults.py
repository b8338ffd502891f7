"""What goes wrong with single calls is waited out or said, and is never an answer."""

import pytest

from tests.support.asking import Open, answers, call_of, calls, questions, truth
from tests.support.endpoints.endpoint import Endpoint


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate_limited", "rate_limited"),
        ("server_error", "transient"),
        ("overloaded", "transient"),
        ("dropped", "transient"),
        ("cut", "transient"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_fails_is_made_again_until_it_is_answered(
    opened: Open, endpoint: Endpoint, fault: str, kind: str, stream: bool
) -> None:
    endpoint.change(**{fault: 0.4})
    requests = questions(30)
    responses = answers(opened(stream=stream, timeout=0.3, max_tries=30), requests)
    assert [response.text for response in responses] == [truth(request) for request in requests]
    assert {response.status for response in responses} == {"answer"}
    for call in calls(responses):
        assert call.failures == (kind,) * (call.attempts - 1)
        assert 0 <= call.started <= call.finished
        assert not stream or call.started <= (call.first_token or -1) <= call.finished
    # One that is sent just as its connection closes does not arrive.
    assert sum(call.attempts for call in calls(responses)) >= endpoint.counts()["arrived"] > 30


@pytest.mark.parametrize(("fault", "stream"), [("malformed", False), ("malformed", True), ("empty", False)])
def test_an_answer_that_came_is_paid_for_however_it_reads_and_asked_for_once_more(
    opened: Open, endpoint: Endpoint, fault: str, stream: bool
) -> None:
    endpoint.change(**{fault: 0.4})
    requests = questions(60)
    responses = answers(opened(stream=stream, max_tries=30), requests)
    took: dict[int, list[int]] = {1: [], 2: []}
    for request, response in zip(requests, responses, strict=True):
        call = call_of(response)
        is_answered = response.status == "answer"
        assert response.text == (truth(request) if is_answered else None)
        assert call.failures == ("malformed",) * (call.attempts - is_answered)
        took[call.attempts].append(response.tokens_in)
    assert took[1]
    assert min(took[2]) > max(took[1])
    assert {response.status for response in responses} == {"answer", "failed"}


def test_faults_of_all_kinds_leave_every_request_answered_once(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(
        rate_limited=0.05, server_error=0.05, dropped=0.02, malformed=0.01, hanging=0.01, latency=0.005
    )
    requests = questions(500)
    responses = answers(opened(timeout=2.0), requests)
    assert [response.text for response in responses] == [truth(request) for request in requests]
    counts = endpoint.counts()
    assert (counts["distinct_answered"], counts["most_answers"]) == (500, 1)
    assert counts["arrived"] <= sum(call.attempts for call in calls(responses)) <= counts["arrived"] + 5
    assert sum(len(call.failures) for call in calls(responses)) >= counts["arrived"] - 500 > 25


def test_a_request_that_always_fails_says_why_and_counts_its_tries(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(malformed=1.0)
    (response,) = answers(opened(max_tries=3), questions(1))
    assert (response.status, response.text) == ("failed", None)
    assert "no JSON object" in (response.error or "")
    call = call_of(response)
    assert (call.attempts, call.failures) == (2, ("malformed",) * 2)
    assert response.tokens_in > 0
    assert not call.counted
    assert endpoint.counts()["arrived"] == 2


def test_a_wait_that_the_endpoint_names_is_kept_by_all_calls(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(rate_limited=0.15, retry_after=0.4, latency=0.02)
    requests = questions(30)
    responses = answers(opened(max_concurrency=2, max_tries=30), requests)
    assert [response.text for response in responses] == [truth(request) for request in requests]
    log = endpoint.log()
    refused = [arrival["last_byte"] for arrival in log if arrival["outcome"] == "rate_limited"]
    assert refused
    for told in refused:
        # Calls that were on their way do arrive; none is sent later.
        assert not [one for one in log if told + 0.03 < one["arrived"] < told + 0.39]


def test_without_a_named_wait_a_refused_call_comes_again_soon(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(rate_limited=0.3)
    answers(opened(max_tries=30), questions(20))
    log = endpoint.log()
    assert log[-1]["last_byte"] - log[0]["arrived"] < 2


def test_a_long_wait_that_is_named_is_no_time_out(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(rate_limited=0.5, retry_after=0.3)
    responses = answers(opened(timeout=0.2, max_tries=30), questions(5))
    assert {response.status for response in responses} == {"answer"}


@pytest.mark.parametrize("stream", [False, True])
def test_counts_that_cannot_be_right_are_estimated(opened: Open, endpoint: Endpoint, stream: bool) -> None:
    endpoint.change(wrong_usage=1.0)
    requests = questions(20)
    responses = answers(opened(stream=stream), requests)
    assert [response.text for response in responses] == [truth(request) for request in requests]
    for response in responses:
        assert not call_of(response).counted
        assert 0 < response.tokens_in < 100
        assert 0 < response.tokens_out < 1000
    endpoint.change(wrong_usage=0.0)
    assert all(call.counted for call in calls(answers(opened(stream=stream), requests)))


def test_the_tries_of_a_request_end_with_its_time(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(server_error=1.0)
    (response,) = answers(opened(total_timeout=0.1, max_tries=1000), questions(1))
    assert response.status == "failed"
    assert call_of(response).attempts < 20
