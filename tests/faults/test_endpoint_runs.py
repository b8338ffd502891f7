"""Whole runs against an endpoint that fails: each answer is asked for once, and the scores are the same."""

import os
import random
import re
import signal
from pathlib import Path

import pytest

from flows.results.evaluation_result import EvaluationResult
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab, finish
from tests.support.waiting import PATIENCE, until

FAULTS = {
    "rate_limited": 0.05,
    "server_error": 0.05,
    "dropped": 0.02,
    "malformed": 0.01,
    "hanging": 0.01,
}
AT_ONCE = 16
KEY = "sk-" + "5ecret" * 6


def chat(endpoint: Endpoint, **options: object) -> str:
    """A model string with quick retries."""
    own = {"max_concurrency": AT_ONCE, "timeout": 1.5, "backoff": 0.01, **options}
    return f"openai-chat:m?base_url={endpoint.url}&" + "&".join(f"{key}={own[key]}" for key in own)


def scores(result: EvaluationResult) -> object:
    assert not result.failures
    return result.results["results"]


def test_faults_of_all_kinds_change_no_score_and_ask_for_no_answer_twice(
    lab: Lab, tmp_path: Path, endpoint: Endpoint
) -> None:
    lab.add_texts("sums", 300)
    expected = scores(Lab(tmp_path / "other", beside=lab).evaluate("sums", chat(endpoint)))
    endpoint.reset()
    endpoint.change(**FAULTS)
    found = lab.evaluate("sums", chat(endpoint))
    assert scores(found) == expected
    counts = endpoint.counts()
    assert (counts["distinct_answered"], counts["most_answers"]) == (300, 1)
    assert found.calls("sums")["attempts"].max() > 1


@pytest.mark.slow
def test_all_of_gsm8k_through_faults_scores_as_without(
    lab: Lab, tmp_path: Path, shared_data: Path, endpoint: Endpoint
) -> None:
    pytest.importorskip("lm_eval", reason="gsm8k is a task of lm-eval's catalog")
    other, model = Lab(tmp_path / "other"), chat(endpoint, max_concurrency=64, timeout=2)
    undisturbed = other.run(f"--data-root={shared_data}", tasks="gsm8k", model=model)
    assert undisturbed.status == 0, undisturbed.errors
    endpoint.reset()
    endpoint.change(latency=0.01, **FAULTS)
    disturbed = lab.run(f"--data-root={shared_data}", tasks="gsm8k", model=model)
    assert disturbed.status == 0, disturbed.errors
    assert lab.last["results"] == other.last["results"]
    counts = endpoint.counts()
    assert (counts["distinct_answered"], counts["most_answers"]) == (1319, 1)


@pytest.mark.slow
def test_kills_at_random_points_lose_no_more_than_the_calls_that_were_under_way(
    lab: Lab, tmp_path: Path, endpoint: Endpoint
) -> None:
    lab.add_texts("sums", 400)
    expected = scores(Lab(tmp_path / "other", beside=lab).evaluate("sums", chat(endpoint)))
    endpoint.reset()
    endpoint.change(latency=0.1)
    draw = random.Random(7)
    kills = 3
    for _ in range(kills):
        process = lab.start(tasks="sums", model=chat(endpoint, timeout=5))
        wanted = endpoint.counts()["arrived"] + draw.randint(30, 90)
        assert until(lambda wanted=wanted: endpoint.counts()["arrived"] >= wanted, process)  # type: ignore[misc]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    endpoint.change(latency=0.0)
    again = lab.evaluate("sums", chat(endpoint))
    assert scores(again) == expected
    repeated = endpoint.counts()["arrived"] - 400
    # Under way is what was sent and not stored yet: answers wait for the next write to disk.
    assert 0 < repeated <= kills * AT_ONCE * 1.5


@pytest.mark.slow
def test_a_budget_of_half_the_cost_stops_near_it_and_a_larger_one_repeats_nothing(
    lab: Lab, tmp_path: Path, endpoint: Endpoint
) -> None:
    lab.add_texts("sums", 600)
    price = {"price": {"in": 1.0, "out": 4.0}}
    whole = Lab(tmp_path / "other", beside=lab).evaluate("sums", chat(endpoint), **price)
    cost = whole.results["assay"]["cost"]["run"]["usd"]
    endpoint.reset()
    stopped = lab.evaluate("sums", chat(endpoint), budget_usd=cost / 2, **price)
    assert "--budget-usd allows more" in stopped.failures["sums"]
    arrived = endpoint.counts()["arrived"]
    assert 0.5 * 600 * 0.97 <= arrived <= 0.5 * 600 * 1.03
    paid = stopped.record.assay.cost
    assert paid is not None
    assert paid.run.usd == pytest.approx(cost / 2, rel=0.05)
    assert paid.tasks["sums"].usd == pytest.approx(paid.run.usd)
    assert f"Of it, tasks without a score: sums ${paid.run.usd:,.4f}" in stopped.remarks()
    again = lab.evaluate("sums", chat(endpoint), budget_usd=cost / 2, **price)
    assert again.failures
    assert endpoint.counts()["arrived"] == arrived
    finished = lab.evaluate("sums", chat(endpoint), budget_usd=cost * 1.1, **price)
    assert scores(finished) == scores(whole)
    assert endpoint.counts()["most_answers"] == 1
    assert finished.results["assay"]["cost"]["run"]["usd"] == pytest.approx(cost)


def test_no_price_no_budget_in_money(lab: Lab, endpoint: Endpoint) -> None:
    lab.add_texts("sums", 3)
    ended = lab.run("--budget-usd=1", tasks="sums", model=chat(endpoint))
    assert ended.status == 2
    assert ended.errors.strip().splitlines()[-1].startswith("error: --budget-usd: there is no price for")
    assert endpoint.counts()["arrived"] == 0


def test_a_wrong_key_stops_the_run_at_once_and_is_shown_nowhere(
    lab: Lab, tmp_path: Path, endpoint: Endpoint
) -> None:
    lab.add_texts("sums", 50)
    endpoint.change(api_key="another")
    ended = lab.run(tasks="sums", model=chat(endpoint, api_key="env:OPENAI_API_KEY"), OPENAI_API_KEY=KEY)
    assert ended.status == 2
    assert "401" in ended.errors
    assert endpoint.counts()["arrived"] <= 1
    assert KEY not in ended.out + ended.errors
    assert not _files_with(KEY, tmp_path)


def test_the_key_is_in_no_file_of_a_run(lab: Lab, tmp_path: Path, endpoint: Endpoint) -> None:
    lab.add_texts("sums", 20)
    endpoint.change(api_key=KEY, server_error=0.2)
    ended = lab.run(
        tasks="sums",
        model=chat(endpoint, api_key="env:OPENAI_API_KEY"),
        OPENAI_API_KEY=KEY,
        PREFECT_LOGGING_LEVEL="DEBUG",
    )
    assert ended.status == 0, ended.errors
    assert KEY not in ended.out + ended.errors
    assert not _files_with(KEY, tmp_path)


def test_documents_without_an_answer_fail_their_task_unless_they_may_be_missing(
    lab: Lab, endpoint: Endpoint
) -> None:
    lab.add_texts("sums", 40)
    texts = [{"question": f"sums {i}?", "answer": str(i)} for i in range(40)]
    texts[3]["question"] += " word" * 300
    lab.write_data("sums", texts)
    endpoint.change(max_prompt_tokens=200)
    failed = lab.evaluate("sums", chat(endpoint))
    assert "context" in failed.failures["sums"] or "tokens" in failed.failures["sums"]
    passed = lab.evaluate("sums", chat(endpoint), min_coverage=0.9)
    assert not passed.failures
    assert passed.results["results"]["sums"]["sample_len"] == 39
    assert "39 of 40 documents are in its score" in passed.table()
    calls = passed.calls("sums")
    assert list(calls["status"]).count("failed") == 1
    assert list(passed.samples("sums")["doc_id"]) == [i for i in range(40) if i != 3]


def test_a_fallback_answers_for_a_model_that_is_away(lab: Lab, endpoint: Endpoint) -> None:
    lab.add_texts("sums", 10)
    away = "openai-chat:away?base_url=http://127.0.0.1:9/v1"
    result = lab.evaluate("sums", away, fallback=[chat(endpoint)])
    assert not result.failures
    assert set(result.calls("sums")["asked"]) == {"openai-chat:m"}
    assert result.results["assay"]["cost"]["models"].keys() == {"openai-chat:m"}


@pytest.mark.slow
def test_an_estimate_makes_no_call_and_comes_near_the_cost(lab: Lab, endpoint: Endpoint) -> None:
    lab.add_texts("sums", 60)
    price = "--price=in=1,out=4"
    first = lab.run("--limit=30", price, tasks="sums", model=chat(endpoint))
    assert first.status == 0, first.errors
    arrived = endpoint.counts()["arrived"]
    said = lab.run("--estimate", price, tasks="sums", model=chat(endpoint))
    assert said.status == 0, said.errors
    assert endpoint.counts()["arrived"] == arrived
    row = next(line.split() for line in said.out.splitlines() if line.startswith("sums"))
    assert row[1:3] == ["60", "30"]
    lab.run(price, tasks="sums", model=chat(endpoint))
    cost = lab.last["assay"]["cost"]["run"]["usd"] - float(row[5])
    assert float(row[5]) == pytest.approx(cost, rel=0.3)


def test_tasks_of_choices_are_refused_where_log_probabilities_cannot_be_right(
    lab: Lab, endpoint: Endpoint
) -> None:
    lab.add_choices("facts", 5)
    endpoint.change(echo_logprobs=False)
    model = chat(endpoint).replace("openai-chat", "openai-completions")
    ended = lab.run(tasks="facts", model=model)
    assert ended.status == 2
    assert len(ended.errors.strip().splitlines()) == 1
    assert "echo is not supported" in ended.errors
    spoken = lab.run(tasks="facts", model=chat(endpoint))
    assert spoken.status == 2
    assert "needs loglikelihood, which openai-chat:m" in spoken.errors


def _files_with(secret: str, folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]


def test_ctrl_c_ends_the_calls_in_flight_soon_and_keeps_all_that_was_answered(
    lab: Lab, endpoint: Endpoint
) -> None:
    lab.add_texts("sums", 1500)
    endpoint.change(latency=0.2)
    model = chat(endpoint, timeout=60)
    process = lab.start("--price=in=1,out=4", tasks="sums", model=model)
    assert until(lambda: endpoint.counts()["arrived"] >= 60, process)
    endpoint.change(hanging=1.0)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "paid for; Ctrl-C again ends them" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.status == 130
    assert "Traceback" not in ended.errors
    assert "Interrupted. What was answered is kept" in ended.errors
    answered = endpoint.counts()["distinct_answered"]
    endpoint.change(hanging=0.0, latency=0.0)
    again = lab.evaluate("sums", model, price={"in": 1.0, "out": 4.0})
    assert not again.failures
    assert again.results["assay"]["requests_reused"] == answered > 0
    share = again.results["assay"]["cost"]["run"]["usd"] * answered / 1500
    said = re.search(r"Cost of all answers: \$([0-9.]+);", ended.errors)
    assert said is not None
    assert float(said[1]) == pytest.approx(share, rel=0.1, abs=1e-4)
    counts = endpoint.counts()
    assert (counts["distinct_answered"], counts["most_answers"]) == (1500, 1)
