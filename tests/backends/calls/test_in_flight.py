"""How many calls are in flight, how fast they go, and what becomes of those that nobody wants any more."""

import gc
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backends.endpoints.question import Question
from backends.protocol import AskContext, ask
from tests.support.asking import Open, answers, calls, questions, truth
from tests.support.endpoints.answers import chat_prompt, short_hash
from tests.support.endpoints.endpoint import Endpoint
from tests.support.paths import ROOT
from tests.support.waiting import until


def test_no_more_calls_are_in_flight_than_allowed_and_as_many(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(latency=0.05)
    answers(opened(max_concurrency=24), questions(400))
    assert endpoint.counts()["most_in_flight"] == 24


def test_one_at_a_time_is_one_at_a_time(opened: Open, endpoint: Endpoint) -> None:
    answers(opened(max_concurrency=1), questions(30))
    assert endpoint.counts()["most_in_flight"] == 1


def test_calls_in_flight_get_fewer_where_an_endpoint_refuses_so_many(
    opened: Open, endpoint: Endpoint
) -> None:
    endpoint.change(latency=0.02, concurrency_limit=5)
    answers(opened(max_concurrency=64, max_tries=50), questions(400))
    outcomes = [arrival["outcome"] for arrival in endpoint.log()]
    assert outcomes.count("answered") == 400
    late = outcomes[len(outcomes) // 2 :]
    assert late.count("over_limit") < 0.3 * len(late)


def test_whoever_asks_may_allow_fewer_calls_in_flight(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(latency=0.02)
    answers(opened(max_concurrency=24), questions(60), AskContext(places=3))
    assert endpoint.counts()["most_in_flight"] == 3


def questions_alive() -> int:
    gc.collect()
    return sum(type(one) is Question for one in gc.get_objects())


def test_no_more_questions_are_there_than_calls_in_flight(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(latency=0.05)
    others, alive = questions_alive(), []
    for _ in ask(opened(max_concurrency=8), questions(200)):
        alive.append(questions_alive() - others)
    assert 0 < max(alive) <= 8


def test_of_two_that_ask_at_once_the_earlier_is_answered_first(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(latency=0.02)
    backend = opened(max_concurrency=4)
    earlier = threading.Thread(target=answers, args=(backend, questions(100)))
    later = threading.Thread(target=answers, args=(backend, questions(50, start=1000)))
    earlier.start()
    assert until(lambda: endpoint.counts()["arrived"] > 3)
    later.start()
    earlier.join()
    later.join()
    prompts = [arrival["prompt"] for arrival in endpoint.log()]
    of_later = {
        short_hash(chat_prompt([{"role": "user", "content": one.prompt}]).encode())
        for one in questions(50, start=1000)
    }
    first = next(number for number, prompt in enumerate(prompts) if prompt in of_later)
    assert len(prompts) == 150
    # Places that are free because the last of the earlier are on their way go to the later one.
    assert first >= 90
    assert endpoint.counts()["most_in_flight"] == 4


def test_two_models_at_one_endpoint_share_what_its_account_may_do(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(latency=0.02)
    threads = [
        threading.Thread(target=answers, args=(opened(name=name, max_concurrency=4), questions(60)))
        for name in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert endpoint.counts()["most_in_flight"] == 4


def test_requests_per_minute_are_kept_also_at_the_beginning(opened: Open, endpoint: Endpoint) -> None:
    answers(opened(requests_per_minute=3000), questions(60))
    arrived = [arrival["arrived"] for arrival in endpoint.log()]
    assert arrived[-1] - arrived[0] > 1.0


def test_tokens_per_minute_are_kept(opened: Open, endpoint: Endpoint) -> None:
    backend = opened(tokens_per_minute=120_000)
    answers(backend, questions(10))  # how long answers are is not known before
    requests = questions(80, start=100)
    began = time.monotonic()
    responses = answers(backend, requests)
    took = time.monotonic() - began
    tokens = sum(response.tokens_in + response.tokens_out for response in responses)
    assert took > 0.8 * tokens / 2000


def test_waiting_for_a_rate_is_no_slowness_of_the_endpoint(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(latency=0.01)
    responses = answers(opened(requests_per_minute=3000), questions(50))
    waited = max(call.started for call in calls(responses))
    assert waited > 0.3
    assert statistics.median(response.seconds for response in responses) < waited / 2


class Enough(Exception):
    """What a consumer may raise."""


@pytest.mark.parametrize("how", ["break", Enough, KeyboardInterrupt])
def test_leaving_ends_the_calls_in_flight_and_gives_their_places_back(
    opened: Open, endpoint: Endpoint, how: str | type[BaseException]
) -> None:
    endpoint.change(hanging=0.4)
    backend = opened(max_concurrency=8, timeout=60)
    for _ in range(3):
        try:
            for _ in ask(backend, questions(100)):
                if isinstance(how, type):
                    raise how
                break
        except (Enough, KeyboardInterrupt):
            pass
        assert until(lambda: endpoint.counts()["in_flight"] == 0)
    arrived = endpoint.counts()["arrived"]
    time.sleep(0.05)
    assert endpoint.counts()["arrived"] == arrived
    endpoint.reset()
    endpoint.change(hanging=0.0, latency=0.05)
    requests = questions(160)
    assert [one.text for one in answers(backend, requests)] == [truth(request) for request in requests]
    assert endpoint.counts()["most_in_flight"] == 8


def test_answers_that_are_not_taken_hold_new_calls_back(opened: Open, endpoint: Endpoint) -> None:
    """What is lost when the process is killed now is what was not taken."""
    answering = ask(opened(max_concurrency=8), questions(100))
    taken = len(next(answering))
    time.sleep(0.2)
    assert endpoint.counts()["arrived"] <= taken + 12


_SCRIPT = """
import logging
import sys
from pathlib import Path
from backends.model_string import ModelSpec
from backends.protocol import ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request

logging.getLogger("asyncio").setLevel(logging.ERROR)  # a busy machine makes slow steps
backend = open_backend(ModelSpec.parse(sys.argv[1]), BackendContext(home=Path(sys.argv[2])))
answering = ask(backend, [Request("generate_until", f"Question {number}?") for number in range(200)])
print(len(next(answering)), flush=True)
"""
_ENDS = {
    "asks all": "list(answering)\n",
    "keeps the iterator": "",
    "leaves": "del answering\n",
    "fails": "raise SystemExit(0)\n",
}


def script(endpoint: Endpoint, folder: Path, end: str, *options: str) -> "subprocess.Popen[str]":
    model = f"openai-chat:m?base_url={endpoint.url}&" + "&".join(options)
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", _SCRIPT + end, model, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("end", _ENDS)
@pytest.mark.parametrize("options", ["stream=false", "stream=true"])
def test_nothing_is_left_open_at_the_end_of_a_process(
    endpoint: Endpoint, tmp_path: Path, end: str, options: str
) -> None:
    endpoint.change(latency=0.01, malformed=0.1)
    process = script(endpoint, tmp_path, _ENDS[end], options, "backoff=0.01")
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")


def test_an_interrupt_ends_the_wait_for_answers(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.change(hanging=0.5)
    process = script(endpoint, tmp_path, _ENDS["asks all"], "timeout=300")
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert "never retrieved" not in said
    assert "destroyed" not in said
    assert until(lambda: endpoint.counts()["in_flight"] == 0)


def test_connections_are_used_again(opened: Open, endpoint: Endpoint) -> None:
    for stream in (False, True):
        answers(opened(max_concurrency=4, stream=stream), questions(50))
        assert endpoint.counts()["connections"] <= 8


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_requests(opened: Open, endpoint: Endpoint) -> None:
    import psutil

    backend, process = opened(max_concurrency=64), psutil.Process()
    requests = questions(1000)
    for _ in ask(backend, requests):
        pass
    before = process.memory_info().rss
    for _ in range(5):
        for _ in ask(backend, requests):
            pass
    assert process.memory_info().rss - before < 20e6
