"""A question that several tasks have is asked once, also while it is under way; the others wait for it."""

from threading import Event, Thread

import pytest

from backends.stop_sign import StopSign
from flows.pipeline.questions_under_way import QuestionsUnderWay, wait_for
from flows.results.evaluation_result import EvaluationResult
from tests.faults.test_endpoint_runs import chat
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab

DOCS = 48


def facts(result: EvaluationResult) -> tuple[int, int]:
    """How many requests were asked, and how many answers found."""
    return result.results["assay"]["requests_asked"], result.results["assay"]["requests_reused"]


def add_same(lab: Lab, docs: int = DOCS, **keys: object) -> None:
    """Two tasks with equal documents."""
    lab.add_texts("sums", docs)
    lab.add_texts("same", docs, dataset_path="sums", **keys)


def test_two_tasks_with_the_same_questions_pay_once(lab: Lab, endpoint: Endpoint) -> None:
    add_same(lab)
    endpoint.change(latency=1.5)  # so that both shards are under way
    result = lab.evaluate("sums,same", chat(endpoint, timeout=20))
    counts = endpoint.counts()
    assert (counts["arrived"], counts["distinct"]) == (DOCS, DOCS)
    assert facts(result) == (DOCS, DOCS)
    cost = result.results["assay"]["cost"]
    assert cost["run"] == cost["tasks"]["sums"] == cost["tasks"]["same"] == cost["models"]["openai-chat:m"]
    assert (
        result.results["results"]["same"]["exact_match,number"]
        == (result.results["results"]["sums"]["exact_match,number"])
    )


def test_a_shard_asks_its_own_questions_before_it_waits_for_those_it_shares(
    lab: Lab, endpoint: Endpoint
) -> None:
    lab.add_texts("sums", 8)
    lab.add_texts("more", 0)
    rows = [{"question": f"sums {i}?", "answer": str(i)} for i in range(7, 20)]
    lab.write_data("more", rows)
    endpoint.change(latency=1.0)
    result = lab.evaluate("sums,more", chat(endpoint, max_concurrency=64, timeout=20))
    assert facts(result) == (20, 1)
    counts = endpoint.counts()
    assert counts["arrived"] == 20
    assert counts["most_in_flight"] > 8, "the second task's beside the first's"


def test_questions_that_failed_for_one_task_are_asked_by_the_next(lab: Lab, endpoint: Endpoint) -> None:
    rows = [{"question": f"{'long ' * 300 * (i % 4 == 0)}{i}?", "answer": str(i)} for i in range(DOCS)]
    add_same(lab)
    lab.write_data("sums", rows)
    endpoint.change(latency=1.0, max_prompt_tokens=200)
    result = lab.evaluate("sums,same", chat(endpoint, timeout=20), min_coverage=0.5)
    assert endpoint.counts()["arrived"] == DOCS + DOCS // 4
    assert facts(result) == (DOCS + DOCS // 4, DOCS - DOCS // 4)
    results = result.results["results"]
    assert results["sums"]["exact_match,number"] == results["same"]["exact_match,number"]


def test_tasks_of_one_shard_pay_once(lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.planning.shard_sizes.MAX_STEPS", 4)  # one bundle
    add_same(lab)
    result = lab.evaluate("sums,same", chat(endpoint))
    assert endpoint.counts()["arrived"] == DOCS
    assert facts(result) == (DOCS, DOCS)


def test_shards_that_share_questions_both_ways_never_wait_for_each_other() -> None:
    under_way, has_both, ended = QuestionsUnderWay(), Event(), Event()

    def first() -> None:
        with under_way.asking({"a", "b"}) as others:
            assert not others
            has_both.wait(20)
        wait_for(set(others.values()), StopSign())
        ended.set()

    thread = Thread(target=first, daemon=True)
    thread.start()
    with under_way.asking({"b", "c"}) as others:
        pass
    while "b" not in others:
        with under_way.asking({"b", "c"}) as others:
            assert set(others) <= {"b"}
    with under_way.asking({"c"}) as mine:
        assert not mine
    has_both.set()
    wait_for(set(others.values()), StopSign())
    assert ended.wait(20)
    with under_way.asking({"a", "b", "c"}) as others:
        assert not others
