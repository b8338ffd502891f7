"""Several runs at once on one home."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.test_endpoint_runs import chat
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab, finish
from tests.support.waiting import until

SLOW_MODEL = "scripted:hash?batch_size=4&delay=0.1"


@pytest.fixture
def expected(lab: Lab, tmp_path: Path) -> object:
    """The scores of a run of its own."""
    lab.add_choices("facts", 10)
    lab.add_texts("sums", 30)
    return lab.undisturbed(tmp_path / "other", "facts,sums")


@pytest.mark.slow
def test_two_runs_at_once_are_both_right(lab: Lab, expected: object) -> None:
    processes = [lab.start(tasks="facts,sums", model=SLOW_MODEL) for _ in range(2)]
    ended = [finish(process) for process in processes]
    assert [one.status for one in ended] == [0, 0], ended
    assert lab.all_results == [expected, expected]
    assert lab.asked == 50, "a question was asked by both"
    assert lab.evaluate("facts,sums").results["results"] == expected
    assert lab.asked == 50, "an answer was lost"


def all_have_begun(lab: Lab, runs: int) -> bool:
    """Whether so many runs have a folder, which they make just before they ask."""
    return len(list(lab.results.glob("*/*/spec.yaml"))) == runs


def test_three_equal_runs_that_start_together_make_the_calls_of_one(lab: Lab, endpoint: Endpoint) -> None:
    lab.add_texts("sums", 8)
    endpoint.change(rate_limited=1.0, retry_after=0.5)  # nobody is answered until all are there
    model = chat(endpoint, timeout=60, max_tries=1000)
    processes = [lab.start(tasks="sums", model=model) for _ in range(3)]
    assert until(lambda: all_have_begun(lab, 3), processes[0])
    time.sleep(2)
    endpoint.change(rate_limited=0.0)
    ended = [finish(process) for process in processes]
    assert [one.status for one in ended] == [0] * 3, ended
    first, *others = lab.all_results
    assert others == [first, first]
    counts = endpoint.counts()
    assert (counts["distinct_answered"], counts["most_answers"]) == (8, 1)
    assert sorted(one["assay"]["requests_asked"] for one in lab.all_records) == [0, 0, 8]


def test_another_run_goes_on_where_the_one_that_asked_was_killed(lab: Lab, endpoint: Endpoint) -> None:
    lab.add_texts("sums", 40)
    endpoint.change(latency=0.3)
    model = chat(endpoint, timeout=60, max_concurrency=4, max_tries=1000)
    asking = lab.start(tasks="sums", model=model)
    assert until(lambda: endpoint.counts()["distinct_answered"] >= 4, asking)
    endpoint.change(rate_limited=1.0, retry_after=0.5)
    waiting = lab.start(tasks="sums", model=model)
    assert until(lambda: all_have_begun(lab, 2), asking)
    os.killpg(asking.pid, signal.SIGKILL)
    endpoint.change(rate_limited=0.0, latency=0.0)
    ended = finish(waiting)
    asking.communicate()
    assert ended.status == 0, ended.errors
    assert lab.last["assay"]["requests_reused"] > 0
    assert endpoint.counts()["distinct_answered"] == 40


@pytest.mark.slow
def test_two_runs_may_make_the_home_at_the_same_moment(lab: Lab, expected: object, tmp_path: Path) -> None:
    home = str(tmp_path / "new")
    processes = [lab.start(tasks="facts,sums", ASSAY_HOME=home) for _ in range(2)]
    ended = [finish(process) for process in processes]
    assert [one.status for one in ended] == [0, 0], ended
    assert lab.all_results == [expected, expected]


@pytest.mark.slow
def test_runs_of_two_models_do_not_answer_for_each_other(lab: Lab, expected: object) -> None:
    models = ("scripted:hash?version=1", "scripted:hash?version=2")
    for process in [lab.start(tasks="facts,sums", model=model) for model in models]:
        assert finish(process).status == 0
    assert lab.asked == 100
    assert [one for one in lab.all_results if one == expected] == [expected]
