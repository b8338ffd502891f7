"""Errors that asking again would not mend, and those after which nobody's request would be answered."""

import logging
import time
import traceback

import pytest

from backends.errors import BackendError, BackendStopped
from backends.protocol import ask
from backends.requests import Request, Response
from tests.support.asking import Open, answers, call_of, questions, truth
from tests.support.endpoints.endpoint import Endpoint

KEY = "sk-right-0123456789"


def test_a_permanent_error_fails_its_request_alone_with_the_servers_message(
    opened: Open, endpoint: Endpoint
) -> None:
    endpoint.change(max_prompt_tokens=10)
    requests = questions(20)
    requests[7] = Request("generate_until", "far too long " * 20)
    responses = answers(opened(), requests)
    assert "maximum context length is 10 tokens" in (responses[7].error or "")
    assert (responses[7].status, call_of(responses[7]).http_status) == ("failed", 400)
    assert (call_of(responses[7]).attempts, call_of(responses[7]).failures) == (1, ("permanent",))
    del responses[7], requests[7]
    assert [response.text for response in responses] == [truth(request) for request in requests]
    assert endpoint.counts()["arrived"] == 20


def test_a_first_row_of_nothing_but_refusals_stops(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(models=["another"])
    with pytest.raises(BackendStopped, match=r"were all refused: .*The model `m` does not exist"):
        answers(opened(), questions(1000))
    assert endpoint.counts()["arrived"] < 100


def test_refusals_after_an_answer_do_not_stop(opened: Open, endpoint: Endpoint) -> None:
    backend = opened()
    answers(backend, questions(5))
    endpoint.change(models=["another"])
    assert {response.status for response in answers(backend, questions(200))} == {"failed"}


@pytest.mark.parametrize("count", [1, 5, 1000])
def test_a_key_that_is_refused_stops_at_once(opened: Open, endpoint: Endpoint, count: int) -> None:
    endpoint.change(api_key=KEY)
    with pytest.raises(BackendStopped, match=r"Incorrect API key provided: \*\*\*.*see to the key"):
        answers(opened(), questions(count))
    assert endpoint.counts()["arrived"] <= 8


def test_an_account_without_credit_stops_at_once(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(no_credit=True)
    with pytest.raises(BackendStopped, match="exceeded your current quota"):
        answers(opened(), questions(1000))
    assert endpoint.counts()["arrived"] <= 8


def test_what_was_answered_before_a_stop_is_delivered(
    opened: Open, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", KEY)
    endpoint.change(api_key=KEY, latency=0.01)
    found: list[tuple[int, Response]] = []
    with pytest.raises(BackendStopped):  # noqa: PT012 - the answers before it count
        for batch in ask(opened(), questions(2000)):
            if not found:
                endpoint.change(api_key="sk-was-revoked")
            found += batch
    answered = sum(one["outcome"] == "answered" for one in endpoint.log())
    assert 0 < len(found) == answered < 2000
    assert {response.status for _, response in found} == {"answer"}
    assert len({position for position, _ in found}) == len(found)


def test_a_stop_is_over_with_the_next_start(
    opened: Open, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.change(no_credit=True)
    backend = opened()
    for _ in range(2):
        with pytest.raises(BackendStopped):
            answers(backend, questions(100))
    arrived = endpoint.counts()["arrived"]
    with pytest.raises(BackendStopped):
        answers(backend, questions(100))
    assert endpoint.counts()["arrived"] == arrived
    endpoint.change(no_credit=False)
    backend.load(["generate_until"])
    assert len(answers(backend, questions(10))) == 10


def test_two_that_ask_are_both_stopped(opened: Open, endpoint: Endpoint) -> None:
    """The places that the first had are free again, though no answer gave them back."""
    endpoint.change(api_key=KEY)
    backend = opened(max_concurrency=2)
    for _ in range(5):
        with pytest.raises(BackendStopped):
            answers(backend, questions(50))


def test_the_key_is_nowhere_to_be_read(
    opened: Open, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "sk-secret-987654321")
    monkeypatch.setenv("OTHER_KEY", "other-secret-987654321")
    caplog.set_level(logging.DEBUG)
    endpoint.change(api_key=KEY)
    backend = opened(headers='{"x-gateway-key": "env:OTHER_KEY"}')
    said: list[str] = [repr(backend), str(backend.describe()), str(backend.fingerprint)]
    with pytest.raises(BackendStopped) as stopped:
        answers(backend, questions(100))
    with pytest.raises(BackendError) as refused:
        backend.load(["generate_until"])
    for error in (stopped.value, refused.value):
        said += [repr(error), *traceback.format_exception(error)]
    said += [caplog.text, *(repr(record.__dict__) for record in caplog.records)]
    assert "***" in "".join(said)
    assert not [text for text in said if "987654321" in text]


def test_a_stop_takes_no_longer_than_the_calls_in_flight(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(no_credit=True)
    began = time.monotonic()
    with pytest.raises(BackendStopped):
        answers(opened(backoff=60.0), questions(1000))
    assert time.monotonic() - began < 60
