"""Runs whose shards Dask's workers ask: the same numbers, and no answer asked for twice."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from unittest.mock import patch

import pytest

from flows.common.errors import SpecError
from tests.cluster.dask_processes import DaskProcesses, kill
from tests.cluster.interrupted import check_that_calls_end
from tests.faults.test_endpoint_runs import AT_ONCE, chat, scores
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab, finish
from tests.support.waiting import until


def test_workers_ask_each_request_once_and_score_as_one_process_does(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, dask: DaskProcesses
) -> None:
    lab.add_texts("sums", 300)
    lab.add_texts("more", 40)
    at_once = 4
    model = chat(endpoint, max_concurrency=at_once)
    expected = scores(Lab(tmp_path / "other", beside=lab).evaluate("sums,more", model))
    endpoint.reset()
    endpoint.change(latency=0.05)
    found = lab.evaluate("sums,more", model, runner=dask.runner)
    assert scores(found) == expected
    counts = endpoint.counts()
    assert 2 < counts["most_in_flight"] <= at_once, "the bound is for all workers together"
    assert (counts["distinct_answered"], counts["most_answers"]) == (340, 1)
    assert found.results["assay"]["requests_asked"] == 340
    again = lab.evaluate("sums,more", model, runner=dask.runner)
    assert scores(again) == expected
    assert again.results["assay"]["requests_asked"] == 0
    assert endpoint.counts()["arrived"] == counts["arrived"]


@pytest.mark.slow
def test_a_killed_workers_shards_are_asked_by_the_others_but_for_what_is_stored(
    lab: Lab, tmp_path: Path, endpoint: Endpoint
) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    lab.add_texts("sums", 600)
    expected = scores(Lab(tmp_path / "other", beside=lab).evaluate("sums", chat(endpoint)))
    endpoint.reset()
    endpoint.change(latency=0.1)
    with DaskProcesses(workers=4) as dask:
        process = lab.start(f"--runner={dask.runner}", tasks="sums", model=chat(endpoint, timeout=5))
        assert until(lambda: endpoint.counts()["arrived"] >= 200, process)
        kill(dask.workers[0])
        ended = finish(process)
    assert ended.status == 0, ended.errors
    assert lab.last["results"] == expected
    counts = endpoint.counts()
    # A quarter of the calls, and half as many answers that wait for the next write to disk.
    assert 0 < counts["arrived"] - 600 <= AT_ONCE / 4 * 1.5
    assert counts["distinct_answered"] == 600


@pytest.mark.slow
def test_a_worker_that_hangs_is_a_lost_one_and_asks_nothing_when_it_wakes(
    lab: Lab,
    tmp_path: Path,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    monkeypatch.setattr("flows.runners.silent_workers.SILENT_SECONDS", 4.0)
    monkeypatch.setattr("flows.runners.silent_workers.LOOK_SECONDS", 0.5)
    lab.add_texts("sums", 256)
    expected = scores(Lab(tmp_path / "other", beside=lab).evaluate("sums", chat(endpoint)))
    endpoint.reset()
    endpoint.change(latency=0.2)
    model = chat(endpoint, max_concurrency=8, timeout=5)
    with DaskProcesses(workers=2) as dask, ThreadPoolExecutor(1) as thread:
        run = thread.submit(copy_context().run, lab.evaluate, "sums", model, runner=dask.runner)
        assert until(lambda: endpoint.counts()["arrived"] >= 40)
        dask.workers[0].send_signal(signal.SIGSTOP)
        found = run.result()
        arrived = endpoint.counts()["arrived"]
        dask.workers[0].send_signal(signal.SIGCONT)
        time.sleep(2)
        woken = endpoint.counts()["arrived"] - arrived
    assert scores(found) == expected
    assert "has said nothing for 4 seconds; its shards go to others" in capfd.readouterr().err
    in_flight = 8 / 2 * 1.5  # of one worker, and its answers on the way to disk
    assert endpoint.counts()["distinct_answered"] == 256
    assert arrived - 256 <= in_flight
    assert woken <= in_flight


def test_workers_of_this_machine_are_not_looked_at_by_dasks_profiler() -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    from flows.runners.dask import connect
    from flows.specs.runner_text import Runner

    with connect(Runner.parse("dask:local?workers=1"), 1) as cluster:
        said = cluster.try_out(profiler_threads)
    assert list(said.values()) == [""]


def profiler_threads() -> str:
    """Those of this process."""
    import threading

    return ", ".join(thread.name for thread in threading.enumerate() if "Profile" in thread.name)


@pytest.mark.slow
def test_a_killed_scheduler_ends_the_run_and_the_next_asks_for_the_rest(
    lab: Lab, tmp_path: Path, endpoint: Endpoint
) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    lab.add_texts("sums", 600)
    expected = scores(Lab(tmp_path / "other", beside=lab).evaluate("sums", chat(endpoint)))
    endpoint.reset()
    endpoint.change(latency=0.1)
    with DaskProcesses(workers=2) as dask:
        process = lab.start(f"--runner={dask.runner}", tasks="sums", model=chat(endpoint, timeout=5))
        assert until(lambda: endpoint.counts()["arrived"] >= 200, process)
        kill(dask.scheduler)
        for worker in dask.workers:  # which would go on with what they are at
            kill(worker)
        ended = finish(process)
    assert ended.status == 1
    assert "failed: the Dask scheduler was lost" in ended.errors
    assert "Traceback" not in ended.errors
    lab.run(tasks="sums", model=chat(endpoint, timeout=5))
    assert lab.last["results"] == expected
    assert endpoint.counts()["arrived"] - 600 <= AT_ONCE * 1.5


@pytest.mark.slow
def test_workers_of_a_run_that_is_interrupted_stop_within_seconds_and_keep_what_was_answered(
    lab: Lab, endpoint: Endpoint, dask: DaskProcesses
) -> None:
    lab.add_texts("sums", 400)  # shards of 64, which take 6 s each
    endpoint.change(latency=0.2)
    model = chat(endpoint, max_concurrency=4, timeout=5)
    check_that_calls_end(lab, endpoint, dask.runner, model)
    endpoint.change(latency=0.0)
    again = lab.evaluate("sums", model, runner=dask.runner)
    assert not again.failures
    assert endpoint.counts()["arrived"] <= 400 + 4 * 1.5, (
        "those in flight, and their halves on the way to disk"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "shard"), [(1, 40), (2, 512)])
def test_neither_workers_nor_the_size_of_shards_change_a_score(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dask: DaskProcesses, processes: int, shard: int
) -> None:
    lab.add_choices("facts", 150)
    lab.add_texts("sums", 150)
    expected = lab.undisturbed(tmp_path / "other", "facts,sums")
    monkeypatch.setattr("flows.planning.shard_sizes.SHARD_REQUESTS", shard)
    runner = dask.runner if processes == 2 else f"dask:local?workers={processes}"
    assert lab.evaluate("sums,facts", runner=runner).results["results"] == expected
    assert lab.asked == 450


def test_a_scheduler_that_is_not_there_is_said_in_one_line_before_anything_is_asked(
    lab: Lab, endpoint: Endpoint
) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    lab.add_texts("sums", 3)
    with pytest.raises(SpecError, match=r"^--runner: no Dask scheduler answers at tcp://127.0.0.1:1: "):
        lab.evaluate("sums", chat(endpoint), runner="dask:tcp://127.0.0.1:1")
    assert endpoint.counts()["arrived"] == 0


def test_a_question_of_two_tasks_is_asked_once_whichever_worker_has_it(
    lab: Lab, endpoint: Endpoint, dask: DaskProcesses
) -> None:
    lab.add_texts("sums", 48)
    lab.add_texts("same", 48, dataset_path="sums")
    endpoint.change(latency=1.5)  # so that both shards are under way
    result = lab.evaluate("sums,same", chat(endpoint, timeout=20), runner=dask.runner)
    assert not result.failures
    assert endpoint.counts()["arrived"] == 48
    facts = result.results["assay"]
    assert (facts["requests_asked"], facts["requests_reused"]) == (48, 48)


def test_a_budget_is_refused_where_several_processes_would_spend_it(lab: Lab, dask: DaskProcesses) -> None:
    lab.add_texts("sums", 3)
    with pytest.raises(SpecError, match="a budget holds within one process only"):
        lab.evaluate("sums", runner=dask.runner, budget_tokens=1000)
    assert lab.asked == 0


def test_a_worker_process_loads_a_model_once_and_asks_it_by_one_thread_at_a_time(
    lab: Lab, tmp_path: Path, dask: DaskProcesses
) -> None:
    lab.add_texts("sums", 500)
    loads = tmp_path / "loads"
    model = f"custom:tests.cluster.models:Heavy?log={lab.log}&loads={loads}"
    result = lab.evaluate("sums", model, runner=dask.runner)
    assert not result.failures
    assert lab.asked == 500
    assert sorted(loads.read_text().split()) == sorted(str(worker.pid) for worker in dask.workers)


def test_progress_counts_what_workers_answered_and_what_they_found(lab: Lab, dask: DaskProcesses) -> None:
    from flows.pipeline.evaluate_flow import evaluate_flow
    from flows.reporting.progress_bar import reporting

    lab.add_texts("sums", 100)
    spec = lab.spec("sums", runner=dask.runner)
    for are_asked in (True, False):
        with patch.dict(os.environ, ASSAY_HOME=str(lab.home)), reporting(show=False) as shown:
            evaluate_flow(spec=spec, return_state=True)
        assert dict(shown.work.done) == dict(shown.work.total) == {"generate_until": 100}
        assert (shown.work.seconds_left() is not None) is are_asked


@pytest.mark.slow
def test_a_shard_that_ends_its_workers_is_given_up(lab: Lab) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    lab.add_texts("sums", 10)
    with DaskProcesses(workers=4) as dask:
        result = lab.evaluate("sums", "scripted:tests.cluster.models:die", runner=dask.runner)
    assert result.failures["sums"].startswith("Dask gave a shard up: 4 workers died while they asked it")
