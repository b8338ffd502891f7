"""Lines that fail, batches that fail, and an endpoint that is away."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backends.calls.http import Http, Reply
from backends.errors import BackendStopped
from backends.protocol import ask
from backends.requests import Request
from tests.backends.batches.asking import (
    KEY,
    REQUESTS,
    asked,
    call,
    once_each,
    only,
    opened,
    remembered,
    said,
    texts,
)
from tests.support.endpoints.endpoint import Endpoint
from tests.support.waiting import until


def test_lines_that_failed_are_in_another_batch(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_errors=0.4)
    answers = ask(opened(endpoint, home), REQUESTS)
    first = next(answers)
    assert 0 < len(first) < len(REQUESTS)
    endpoint.change(batch_errors=0)
    rest = [one for batch in answers for one in batch]
    responses = dict([*first, *rest])
    assert [responses[position].text for position in range(len(REQUESTS))] == said()
    assert {one.call.attempts for _, one in rest if one.call} == {2}
    assert {one.call.failures for _, one in rest if one.call} == {("transient",)}
    assert remembered(home) == []
    assert endpoint.counts()["most_answers"] == 1


def test_a_line_that_fails_in_every_batch_is_a_failure(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_errors=1)
    response, *_ = asked(opened(endpoint, home, max_tries=3))
    assert response.status == "failed"
    assert response.error is not None
    assert "HTTP 500: The server had an error." in response.error
    assert response.call is not None
    assert (response.call.attempts, response.call.failures) == (3, ("transient",) * 3)


def test_a_line_that_is_refused_is_handed_in_once(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(max_prompt_tokens=12)
    long = Request("generate_until", "many words " * 40)
    short, refused = asked(opened(endpoint, home), [Request("generate_until", "Hi"), long])
    assert (short.status, refused.status) == ("answer", "failed")
    assert refused.error is not None
    assert "HTTP 400" in refused.error
    assert endpoint.counts()["arrived"] == 2


def test_what_expired_is_handed_in_again_and_only_that(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_seconds=10, batch_expires=0)
    answers = ask(opened(endpoint, home), REQUESTS)
    first = next(answers)
    assert len(first) == len(REQUESTS) // 2
    endpoint.change(batch_seconds=0, batch_expires=100)
    responses = dict([*first, *(one for batch in answers for one in batch)])
    assert [responses[position].text for position in range(len(REQUESTS))] == said()
    assert endpoint.counts()["arrived"] == len(REQUESTS) + len(REQUESTS) // 2


def test_a_batch_that_fails_says_why_in_one_line(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_problem="model_not_found")
    for response in asked(opened(endpoint, home)):
        assert response.status == "failed"
        assert response.error is not None
        assert "batch_0 failed: This batch cannot be processed: model_not_found." in response.error
    assert remembered(home) == []


def test_a_cancelled_batch_keeps_its_answers(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_seconds=0.5)
    with ThreadPoolExecutor(1) as thread:
        answers = thread.submit(asked, opened(endpoint, home))
        assert until(lambda: bool(endpoint.counts()["arrived"]))
        call(endpoint, "POST", "/batches/batch_0/cancel")
        responses = answers.result(10)
    done = [response for response in responses if response.is_scorable]
    assert len(done) == len(REQUESTS) // 2
    left = [response.error for response in responses if not response.is_scorable]
    assert all("batch_0 cancelled" in str(error) for error in left)


def test_an_account_that_is_full_is_tried_again(
    endpoint: Endpoint, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.change(batch_problem="token_limit_exceeded")
    with ThreadPoolExecutor(1) as thread:
        answers = thread.submit(asked, opened(endpoint, home, max_tries=1))
        assert until(lambda: len(caplog.records) > 1)
        endpoint.change(batch_problem=None)
        assert texts(answers.result(10)) == said()
    assert "token_limit_exceeded.; it is handed in again in 0.02 s" in caplog.text
    assert once_each(endpoint)


def test_looking_goes_on_through_an_outage(
    endpoint: Endpoint, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Too long for the tries of a call; counted from when the batch was made.
    endpoint.change(batch_seconds=0.3, outage=(0.05, 0.4))
    assert texts(asked(opened(endpoint, home, max_tries=2))) == said()
    assert endpoint.counts()["refused_connections"] > 2
    assert once_each(endpoint)
    assert len([one for one in caplog.records if "trying again" in one.message]) == 1


def test_a_batch_whose_making_was_not_confirmed_is_made_once(
    endpoint: Endpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = Http.post
    lost: list[Any] = []

    async def losing(http: Http, path: str, body: Mapping[str, Any], *, timeout: float) -> Reply:
        reply = await post(http, path, body, timeout=timeout)
        if not lost:
            lost.append(path)
            raise http.failed("transient", "the connection broke")
        return reply

    monkeypatch.setattr(Http, "post", losing)
    assert texts(asked(opened(endpoint, home))) == said()
    assert lost == ["/batches"]
    assert once_each(endpoint)


def test_a_refused_key_stops(endpoint: Endpoint, home: Path, caplog: pytest.LogCaptureFixture) -> None:
    endpoint.change(batch_seconds=1000)
    with ThreadPoolExecutor(1) as thread:
        answers = thread.submit(asked, opened(endpoint, home))
        assert until(lambda: only(home)[0]["batch"])
        endpoint.change(api_key="another")
        with pytest.raises(BackendStopped, match="401") as stopped:
            answers.result(10)
    (path,) = (home / "batches").glob("*/*.json")
    assert str(path) in str(stopped.value)
    assert "go on without us" in caplog.text


def test_the_key_is_in_no_file_and_no_message(
    endpoint: Endpoint, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.change(api_key="another")  # the refusal repeats the key that came
    backend = opened(endpoint, home)
    with pytest.raises(BackendStopped) as stopped:
        asked(backend)
    assert "Incorrect API key provided: ***" in str(stopped.value)
    endpoint.change(api_key=KEY, batch_seconds=1000)
    with ThreadPoolExecutor(1) as thread:
        answers = thread.submit(asked, backend)
        assert until(lambda: only(home)[0]["batch"])
        endpoint.change(api_key="another")
        assert KEY not in str(answers.exception(10))
    kept = [path.read_text() for path in (home / "batches").rglob("*") if path.is_file()]
    assert len(kept) == 2
    assert not any(KEY in text for text in [*kept, str(backend.describe()), caplog.text])
