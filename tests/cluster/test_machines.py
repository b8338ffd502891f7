"""Runs whose workers are on machines that share a bucket and a database with the run, and no disk."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.common.errors import SpecError
from flows.results.evaluation_result import EvaluationResult
from tests.cluster.dask_processes import DaskProcesses, kill
from tests.cluster.machines import Machine, other_machines
from tests.cluster.pool_worker import child_runs, children, pool_worker
from tests.faults.test_endpoint_runs import AT_ONCE, chat, scores
from tests.support.commands import Process
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab, finish
from tests.support.servers.postgresql import PostgreSQL
from tests.support.servers.seaweedfs import SeaweedFS
from tests.support.waiting import until

POOL = "children-of-other-machines"


def undisturbed(lab: Lab, root: Path, tasks: str, endpoint: Endpoint) -> EvaluationResult:
    """The run on one machine; the endpoint then has forgotten it."""
    result = Lab(root, beside=lab).evaluate(tasks, chat(endpoint))
    endpoint.reset()
    return result


@contextmanager
def under_way(
    lab: Lab, folder: Path, endpoint: Endpoint, prefix: str, database: str
) -> Iterator[tuple[Process, DaskProcesses]]:
    """A run of the task `sums` by Dask workers on two machines, which have asked for 200 of its answers."""
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    endpoint.change(latency=0.1)
    with DaskProcesses(workers=2, threads=2, machines=other_machines(lab, folder, 2)) as dask:
        flags = (f"--output={prefix}", f"--store={database}", f"--runner={dask.runner}")
        process = lab.start(*flags, tasks="sums", model=chat(endpoint, timeout=5))
        assert until(lambda: endpoint.counts()["arrived"] >= 200, process)
        yield process, dask


def are_the_same(found: EvaluationResult, expected: EvaluationResult, tasks: str) -> bool:
    """In scores and, but for the times, in samples."""
    return scores(found) == scores(expected) and all(
        found.samples(task).drop(columns="seconds").equals(expected.samples(task).drop(columns="seconds"))
        for task in tasks.split(",")
    )


def is_only_in_their_homes(machines: Sequence[Machine], lab: Lab) -> bool:
    """Whether machines keep copies of requests and nothing else; and the run keeps what it had to have."""
    kept = set[str]().union(*(one.files for one in machines))
    own = {str(file.relative_to(lab.home)) for file in lab.home.rglob("*") if file.is_file()}
    return (
        bool(kept)
        and all("/prepared/" in name for name in kept)
        and kept < own
        and not any(name.startswith(("steps", "responses")) for name in own)
    )


@pytest.mark.slow
def test_dask_workers_that_share_no_disk_score_as_one_process_does(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, prefix: str, database: str
) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    lab.add_texts("sums", 300)
    lab.add_texts("more", 40)
    tasks = "sums,more"
    expected = undisturbed(lab, tmp_path / "other", tasks, endpoint)
    machines = other_machines(lab, tmp_path, 2)
    with DaskProcesses(workers=2, threads=2, machines=machines) as dask:
        where = {"output": prefix, "store": database, "runner": dask.runner}
        found = lab.evaluate(tasks, chat(endpoint), **where)
        again = lab.evaluate(tasks, chat(endpoint), **where)
    assert are_the_same(found, expected, tasks)
    assert are_the_same(again, expected, tasks)
    assert found.results["assay"]["requests_asked"] == 340
    assert again.results["assay"]["requests_asked"] == 0
    assert endpoint.counts()["arrived"] == 340
    assert is_only_in_their_homes(machines, lab)


@pytest.mark.slow
def test_a_dask_worker_tells_through_the_bucket_what_has_no_answer(
    lab: Lab, tmp_path: Path, prefix: str, database: str
) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    lab.add_texts("sums", 40)
    model = "scripted:tests.cluster.models:all_but_two"
    with DaskProcesses(workers=1, machines=other_machines(lab, tmp_path, 1)) as dask:
        where = {"output": prefix, "store": database, "runner": dask.runner}
        failed = lab.evaluate("sums", model, **where)
        scored = lab.evaluate("sums", model, min_coverage=0.9, **where)
    assert failed.failures["sums"].startswith("2 of 40 requests of a shard have no answer; the first: ")
    assert scored.results["results"]["sums"]["sample_len"] == 38


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "cannot list s3://.*Could not connect"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "cannot list s3://.*signature"),
        ({"PGPASSWORD": "wrong"}, "response store .*password authentication failed"),
        ({"ANSWERS": "{}/answers.sqlite"}, "--store env:ANSWERS: that is another response store here"),
    ],
)
def test_a_worker_that_does_not_reach_what_is_shared_is_named_before_anything_is_asked(
    lab: Lab,
    tmp_path: Path,
    endpoint: Endpoint,
    prefix: str,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    wrong: dict[str, str],
    said: str,
) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    lab.add_texts("sums", 3)
    monkeypatch.setenv("ANSWERS", database)
    own = {name: value.format(tmp_path) for name, value in wrong.items()}
    with DaskProcesses(workers=1, machines=other_machines(lab, tmp_path, 1, **own)) as dask:
        runner = dask.runner
        with pytest.raises(
            SpecError, match=f"^--runner: {runner}: worker tcp://.* cannot share .*{said}"
        ) as no:
            lab.evaluate("sums", chat(endpoint), output=prefix, store="env:ANSWERS", runner=runner)
    assert "\n" not in str(no.value)
    assert endpoint.counts()["arrived"] == 0


@pytest.mark.parametrize(
    ("store", "runner"),
    [(None, "dask:tcp://127.0.0.1:1"), ("answers.sqlite", "dask:tcp://127.0.0.1:1"), (None, "pool:local")],
)
def test_answers_in_a_file_are_refused_where_machines_share_a_bucket_alone(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, prefix: str, store: str | None, runner: str
) -> None:
    lab.add_texts("sums", 3)
    place = store and str(tmp_path / store)
    with pytest.raises(SpecError, match="cannot share answers in a file; give a database with --store"):
        lab.evaluate("sums", chat(endpoint), output=prefix, store=place, runner=runner)
    assert endpoint.counts()["arrived"] == 0


def test_answers_in_a_file_will_do_for_workers_of_this_machine(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, prefix: str
) -> None:
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    lab.add_texts("sums", 80)
    expected = undisturbed(lab, tmp_path / "other", "sums", endpoint)
    found = lab.evaluate("sums", chat(endpoint), output=prefix, runner="dask:local?workers=1")
    assert are_the_same(found, expected, "sums")
    assert endpoint.counts()["arrived"] == 80


@pytest.mark.slow
def test_a_machine_that_is_killed_costs_no_answer_that_is_stored(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, prefix: str, database: str
) -> None:
    lab.add_texts("sums", 600)
    expected = undisturbed(lab, tmp_path / "other", "sums", endpoint)
    with under_way(lab, tmp_path, endpoint, prefix, database) as (process, dask):
        kill(dask.workers[0])
        ended = finish(process)
    assert ended.status == 0, ended.errors
    counts = endpoint.counts()
    # Half of the calls, and half as many answers that wait for the next write to the database.
    assert 0 < counts["arrived"] - 600 <= AT_ONCE / 2 * 1.5
    assert counts["distinct_answered"] == 600
    found = lab.evaluate("sums", chat(endpoint), output=prefix, store=database)
    assert are_the_same(found, expected, "sums")
    assert endpoint.counts()["arrived"] == counts["arrived"]


@pytest.mark.slow
def test_a_bucket_and_a_database_that_are_restarted_cost_the_workers_nothing(
    lab: Lab,
    tmp_path: Path,
    endpoint: Endpoint,
    prefix: str,
    database: str,
    seaweedfs: SeaweedFS,
    postgresql: PostgreSQL,
) -> None:
    lab.add_texts("sums", 600)
    expected = undisturbed(lab, tmp_path / "other", "sums", endpoint)
    with under_way(lab, tmp_path, endpoint, prefix, database) as (process, _):
        seaweedfs.kill()
        postgresql.kill()
        time.sleep(2)
        postgresql.start()
        seaweedfs.start()
        ended = finish(process)
    assert ended.status == 0, ended.errors
    assert endpoint.counts()["arrived"] == 600
    found = lab.evaluate("sums", chat(endpoint, timeout=5), output=prefix, store=database)
    assert are_the_same(found, expected, "sums")


@pytest.mark.slow
def test_child_runs_that_share_no_disk_score_as_one_process_does(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, prefix: str, database: str
) -> None:
    lab.add_texts("sums", 30)
    lab.add_texts("more", 10)
    tasks = "sums,more"
    expected = undisturbed(lab, tmp_path / "other", tasks, endpoint)
    machines = other_machines(lab, tmp_path, 1)
    with pool_worker(POOL, tmp_path, machines[0]):
        where = {"output": prefix, "store": database, "runner": f"pool:{POOL}"}
        found = lab.evaluate(tasks, chat(endpoint), **where)
        started = child_runs(POOL)
        again = lab.evaluate(tasks, chat(endpoint), **where)
    assert are_the_same(found, expected, tasks)
    assert are_the_same(again, expected, tasks)
    assert endpoint.counts()["arrived"] == 40
    assert child_runs(POOL) == started > 0  # nobody is to be started for answers that are there
    assert is_only_in_their_homes(machines, lab)


@pytest.mark.slow
def test_a_child_run_of_another_machine_that_is_killed_costs_no_answer_that_is_stored(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, prefix: str, database: str
) -> None:
    lab.add_texts("sums", 1100)
    expected = undisturbed(lab, tmp_path / "other", "sums", endpoint)
    endpoint.change(latency=0.1)
    machines = other_machines(lab, tmp_path, 1)
    with pool_worker(POOL, tmp_path, machines[0]) as worker:
        flags = (f"--output={prefix}", f"--store={database}", f"--runner=pool:{POOL}")
        process = lab.start(*flags, tasks="sums", model=chat(endpoint, timeout=5))
        assert until(lambda: endpoint.counts()["arrived"] >= 200, process)
        children(worker)[0].kill()
        ended = finish(process)
        counts = endpoint.counts()
        again = lab.run(*flags, tasks="sums", model=chat(endpoint, timeout=5))
    assert (ended.status, again.status) == (0, 0), ended.errors + again.errors
    assert counts["distinct_answered"] == 1100
    assert 0 < counts["arrived"] - 1100 <= AT_ONCE / 2 * 1.5
    found = lab.evaluate("sums", chat(endpoint, timeout=5), output=prefix, store=database)
    assert are_the_same(found, expected, "sums")
    assert endpoint.counts()["arrived"] == counts["arrived"]


@pytest.mark.slow
def test_a_child_run_that_does_not_reach_the_bucket_is_said_in_a_line(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, prefix: str, database: str
) -> None:
    lab.add_texts("sums", 3)
    (machine,) = other_machines(lab, tmp_path, 1, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    with pool_worker(POOL, tmp_path, machine):
        found = lab.evaluate("sums", chat(endpoint), output=prefix, store=database, runner=f"pool:{POOL}")
    assert "cannot list s3://" in found.failures["sums"]
    assert endpoint.counts()["arrived"] == 0
