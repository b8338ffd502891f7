"""The `openai-batch` backend against the stand-in server: whole ways, failures, and starts after a kill."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from backends.batches.api import BatchApi
from backends.batches.files import parts
from backends.engine.budget import Budget, Limits
from backends.engine.http import Http, Reply
from backends.engine.prices import Price
from backends.engine.purse import Purse, paying
from backends.errors import BackendError, BackendStopped
from backends.model_string import ModelSpec
from backends.protocol import Backend, ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request, Response
from tests.endpoints.answers import chat_prompt, text_for
from tests.endpoints.endpoint import ROOT, Endpoint
from tests.endpoints.fixtures import endpoint, endpoint_process

__all__ = ["endpoint", "endpoint_process"]

REQUESTS = [Request("generate_until", f"How many are {number}?") for number in range(12)]
KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def opened(endpoint: Endpoint, home: Path, **options: object) -> Backend:
    quick = {"base_url": endpoint.url, "poll": 0.02, "backoff": 0.005, **options}
    return open_backend(
        ModelSpec(backend="openai-batch", name="gpt-4o-mini", options=quick), BackendContext(home)
    )


def asked(backend: Backend, requests: Sequence[Request] = REQUESTS) -> list[Response]:
    """The responses in the order of their requests; each came once."""
    found = [one for batch in ask(backend, requests) for one in batch]
    assert sorted(position for position, _ in found) == list(range(len(requests)))
    return [response for _, response in sorted(found, key=lambda one: one[0])]


def texts(responses: Sequence[Response]) -> list[str | None]:
    return [response.text for response in responses]


def said(requests: Sequence[Request] = REQUESTS) -> list[str]:
    """What the stand-in says to each."""
    return [text_for(chat_prompt([{"role": "user", "content": one.prompt}])) for one in requests]


def remembered(home: Path) -> list[dict[str, Any]]:
    """The files of batches whose answers are not stored."""
    return [json.loads(path.read_text()) for path in (home / "batches").glob("*/*.json")]


def once_each(endpoint: Endpoint, requests: Sequence[Request] = REQUESTS) -> bool:
    """Whether the server was handed each request in one batch only."""
    counts = endpoint.counts()
    return bool(counts["arrived"] == counts["distinct"] == len(requests))


# The whole way


def test_requests_are_answered_whatever_the_order_of_the_lines(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_seconds=0.1)
    before = time.time()
    responses = asked(opened(endpoint, home))
    assert texts(responses) == said()
    assert once_each(endpoint)
    assert remembered(home) == []
    for response in responses:
        call = response.call
        assert call is not None
        assert response.tokens_in > 0
        assert response.tokens_out > 0
        assert (call.asked, call.model) == ("openai-batch:gpt-4o-mini", "gpt-4o-mini")
        assert (call.attempts, call.counted, call.http_status) == (1, True, 200)
        assert before <= call.enqueued <= time.time()
        assert 0.1 <= call.finished == response.seconds < 10


def test_a_batch_asks_what_a_single_call_would(endpoint: Endpoint, home: Path) -> None:
    options = {"extra_body": '{"top_k": 3}'}
    requests = [Request("generate_until", "Say it.", generation={"until": ["."], "max_gen_toks": 9})]
    asked(opened(endpoint, home, **options), requests)
    single = ModelSpec(
        backend="openai-chat", name="gpt-4o-mini", options={"base_url": endpoint.url, **options}
    )
    asked(open_backend(single, BackendContext(home)), requests)
    assert len({arrival["prompt"] or arrival["body"] for arrival in endpoint.log()}) == 2
    assert len({arrival["body"] for arrival in endpoint.log()}) == 1


def test_equal_requests_are_handed_in_once(endpoint: Endpoint, home: Path) -> None:
    assert texts(asked(opened(endpoint, home), [*REQUESTS, *REQUESTS])) == said() * 2
    assert once_each(endpoint)


def test_shards_that_share_requests_hand_them_in_once(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_seconds=0.3)
    backend = opened(endpoint, home)
    assert backend.capabilities.shards_at_once > 1
    shards = [REQUESTS[:8], REQUESTS[4:], REQUESTS]
    with ThreadPoolExecutor(len(shards)) as threads:
        answers = list(threads.map(lambda shard: texts(asked(backend, shard)), shards))
    assert answers == [said(shard) for shard in shards]
    assert once_each(endpoint)
    assert remembered(home) == []


def test_only_generations_are_offered(endpoint: Endpoint, home: Path) -> None:
    capabilities = opened(endpoint, home).capabilities
    assert capabilities.kinds == {"generate_until"}
    assert "log-prob" in capabilities.instead


@pytest.mark.parametrize("option", ["stream=true", "max_concurrency=4", "completion_window=1h", "poll=0"])
def test_options_that_a_batch_cannot_have_are_refused(option: str, home: Path) -> None:
    name, _, _ = option.partition("=")
    with pytest.raises(BackendError, match=name):
        open_backend(ModelSpec.parse(f"openai-batch:m?{option}"), BackendContext(home))


def test_files_are_split_where_the_endpoint_takes_no_more() -> None:
    lines = [(str(number), b"x" * size) for number, size in enumerate([4, 4, 4, 9, 20, 1, 1, 1, 1])]
    found = list(parts(lines, most_lines=3, most_bytes=12))
    assert [line for part in found for line in part.items()] == lines
    assert [len(part) for part in found] == [3, 1, 1, 3, 1]


# What goes wrong


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
        until(lambda: bool(endpoint.counts()["arrived"]))
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
        until(lambda: len(caplog.records) > 1)
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
    post, lost = Http.post, []

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
        until(lambda: only(home)[0]["batch"])
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
        until(lambda: only(home)[0]["batch"])
        endpoint.change(api_key="another")
        assert KEY not in str(answers.exception(10))
    kept = [path.read_text() for path in (home / "batches").rglob("*") if path.is_file()]
    assert len(kept) == 2
    assert not any(KEY in text for text in [*kept, str(backend.describe()), caplog.text])


# Starts after a kill

# The child is killed around one of its steps; all of them come in one asking.
CHILD = """
import os, signal, sys
from pathlib import Path
from backends.batches import api, ledger
from tests.backends import test_openai_batch as test

owner, name, when, url, home = sys.argv[1:]
cls = {"api": api.BatchApi, "ledger": ledger.Ledger}[owner]
step = getattr(cls, name)

def killed(*args):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    step(*args)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(cls, name, killed)
test.child(url, home)
"""


class _At(Endpoint):
    """A server that runs already, by its address."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.port = int(url.split(":")[2].split("/")[0])


def child(url: str, home: str) -> None:
    """What the process that is killed does: ask, and store what comes."""
    for batch in ask(opened(_At(url), Path(home)), REQUESTS):
        store(Path(home), batch)


def store(home: Path, batch: Sequence[tuple[int, Response]]) -> None:
    with (home / "stored.txt").open("a") as file:
        file.writelines(f"{position}\n" for position, _ in batch)


def stored(home: Path) -> set[int]:
    path = home / "stored.txt"
    return {int(line) for line in path.read_text().splitlines()} if path.exists() else set()


@pytest.mark.parametrize(
    ("step", "when"),
    [
        ("ledger.write", "before"),
        ("ledger.write", "after"),
        ("api.upload", "after"),
        ("api.create", "after"),
        ("api.look", "before"),
        ("api.lines", "after"),
        ("ledger.forget", "before"),
    ],
)
def test_a_start_after_a_kill_goes_on(endpoint: Endpoint, home: Path, step: str, when: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", CHILD, *step.split("."), when, endpoint.url, str(home)], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    rest = [request for position, request in enumerate(REQUESTS) if position not in stored(home)]
    if rest:
        assert texts(asked(opened(endpoint, home), rest)) == said(rest)
    assert once_each(endpoint)


def test_an_intent_is_looked_for_in_all_pages(
    endpoint: Endpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.batches.api._PAGE", 2)
    endpoint.change(batch_seconds=0.2)
    for number in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(BatchApi, "create", interrupted_after(BatchApi.create))
            with pytest.raises(InterruptedError):
                asked(opened(endpoint, home), REQUESTS[4 * number : 4 * number + 4])
    assert [one["batch"] for one in remembered(home)] == [None] * 3
    assert texts(asked(opened(endpoint, home))) == said()
    assert once_each(endpoint)


def test_what_was_handed_in_by_another_cut_of_the_requests_is_found(endpoint: Endpoint, home: Path) -> None:
    first = ask(opened(endpoint, home), REQUESTS)
    next(first)
    first.close()  # before the answers were stored
    backend = opened(endpoint, home)
    assert texts(asked(backend, REQUESTS[:5])) == said(REQUESTS[:5])
    assert len(remembered(home)[0]["failures"]) == len(REQUESTS) - 5
    assert texts(asked(backend, REQUESTS[5:])) == said(REQUESTS[5:])
    assert once_each(endpoint)
    assert remembered(home) == []


def test_tries_are_counted_over_starts(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_errors=1, batch_seconds=0.1)
    with ThreadPoolExecutor(1) as thread:
        answers = thread.submit(asked, opened(endpoint, home, max_tries=4))
        until(lambda: ["transient"] in [*only(home)[0]["failures"].values()])
        endpoint.change(api_key="another")
        with pytest.raises(BackendStopped):
            answers.result(10)
    endpoint.change(api_key=None)
    assert all(one.call and one.call.attempts == 4 for one in asked(opened(endpoint, home, max_tries=4)))
    assert len(call(endpoint, "GET", "/batches")["data"]) == 4


def test_an_interruption_leaves_the_batch_and_says_how_to_go_on(
    endpoint: Endpoint, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "assay")
    endpoint.change(batch_seconds=0.5)
    watching = threading.Thread(target=interrupt_when, args=(lambda: "handed in" in caplog.text,))
    watching.start()
    with pytest.raises(KeyboardInterrupt):
        asked(opened(endpoint, home))
    watching.join()
    assert "12 requests in batches (batch_0) go on without us; the same command" in caplog.text
    assert texts(asked(opened(endpoint, home))) == said()
    assert once_each(endpoint)


def test_a_damaged_file_is_named(endpoint: Endpoint, home: Path) -> None:
    answers = ask(opened(endpoint, home), REQUESTS)
    next(answers)
    answers.close()
    (path,) = (home / "batches").glob("*/*.json")
    path.write_text(path.read_text()[:20])
    with pytest.raises(BackendError, match=path.name):
        asked(opened(endpoint, home))


# What it costs


def purse(tokens: int) -> Purse:
    prices = {"openai-batch:gpt-4o-mini": Price(1.0, 1.0)}
    return Purse(Budget(Limits(tokens=tokens)), prices, ["task"] * len(REQUESTS))


def test_what_is_handed_in_stays_within_the_budget(endpoint: Endpoint, home: Path) -> None:
    used = purse(tokens=150)
    with paying(used):
        responses = asked(opened(endpoint, home), [with_limit(request, 64) for request in REQUESTS])
    done = [response for response in responses if response.is_scorable]
    assert 0 < len(done) < len(REQUESTS)
    assert {response.status for response in responses} == {"answer", "skipped"}
    taken = sum(response.tokens_in + response.tokens_out for response in done)
    assert used.budget.spent().tokens == taken <= 150
    assert endpoint.counts()["arrived"] == len(done)


@pytest.mark.parametrize("tokens", [10_000, 10])
def test_answers_of_an_earlier_start_come_and_are_counted_also_over_the_budget(
    endpoint: Endpoint, home: Path, tokens: int
) -> None:
    first = ask(opened(endpoint, home), REQUESTS)
    next(first)
    first.close()
    used = purse(tokens=tokens)
    with paying(used):
        responses = asked(opened(endpoint, home))
    taken = sum(response.tokens_in + response.tokens_out for response in responses)
    assert used.budget.spent().tokens == taken
    assert used.budget.spent().usd == pytest.approx(taken / 1e6)


def test_a_batch_costs_half(endpoint: Endpoint, home: Path) -> None:
    (offer,) = opened(endpoint, home).capabilities.offers
    assert offer.share == 0.5


# Helpers


def only(home: Path) -> list[dict[str, Any]]:
    """The same while they may be written, at least one."""
    with suppress(FileNotFoundError):
        return remembered(home) or [{"failures": {}, "batch": None}]
    return [{"failures": {}, "batch": None}]


def with_limit(request: Request, tokens: int) -> Request:
    return Request(request.kind, request.prompt, generation={"max_gen_toks": tokens})


def until(happened: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def interrupt_when(happened: Callable[[], object]) -> None:
    until(happened)
    os.kill(os.getpid(), signal.SIGINT)


def interrupted_after(step: Callable[..., str]) -> Callable[..., str]:
    def call(*args: Any) -> str:
        step(*args)
        raise InterruptedError

    return call


def call(endpoint: Endpoint, method: str, path: str) -> Any:
    asking = urllib.request.Request(endpoint.url + path, method=method)
    with urllib.request.urlopen(asking, timeout=10) as answer:
        return json.load(answer)
