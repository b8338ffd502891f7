"""Whole runs whose results are in a bucket, and whose answers may be in PostgreSQL."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.results.evaluation_result import EvaluationResult
from flows.storage.bucket import BucketPath
from tests.support.commands import Process
from tests.support.lab import Finished, Lab, finish
from tests.support.servers.postgresql import PostgreSQL
from tests.support.servers.seaweedfs import READER, WRITER, SeaweedFS
from tests.support.waiting import PATIENCE, until

BATCH = 4
MODEL = f"scripted:hash?batch_size={BATCH}"
SLOW_MODEL = f"{MODEL}&delay=0.15"


def kill(process: Process) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)


def started(lab: Lab, *flags: str) -> Process:
    """A run that has asked for some, not all."""
    process = lab.start(*flags, tasks="sums", model=SLOW_MODEL)
    assert until(lambda: lab.asked >= 3 * BATCH, process)
    return process


def objects(seaweedfs: SeaweedFS, prefix: str) -> list[str]:
    """What there is below a prefix."""
    found = seaweedfs.files().find(prefix.removeprefix("s3://"))
    return [f"s3://{name}".removeprefix(f"{prefix}/") for name in found]


def times(seaweedfs: SeaweedFS, prefix: str) -> dict[str, Any]:
    """When each object below a prefix was written."""
    found = seaweedfs.files().find(prefix.removeprefix("s3://"), detail=True)
    return {name: one["LastModified"] for name, one in found.items()}


def all_results(seaweedfs: SeaweedFS, prefix: str) -> list[Any]:
    """The scores of all runs below a prefix that came to their end."""
    names = [name for name in objects(seaweedfs, prefix) if name.endswith("results.json")]
    return [json.loads((BucketPath.parse(prefix) / name).read_text())["results"] for name in names]


def is_said_in_a_line(ended: Finished, *words: str) -> bool:
    return "Traceback" not in ended.errors and any(
        all(word in line for word in words) for line in ended.errors.splitlines()
    )


def test_a_run_is_written_to_a_bucket_and_read_back_from_there(
    lab: Lab, prefix: str, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.add_choices("facts", 4)
    lab.add_texts("sums", 5)
    result = lab.evaluate("facts,sums", output=prefix)
    for name, value in seaweedfs.environment(READER).items():
        monkeypatch.setenv(name, value)
    again = EvaluationResult.open(str(result.folder))
    assert again.results == result.results
    assert len(again.samples("sums")) == 5
    assert len(again.calls("facts")) == 8
    run = str(result.folder).removeprefix(f"{prefix}/")
    files = [name.removeprefix(f"{run}/") for name in objects(seaweedfs, prefix) if name.startswith(run)]
    samples = [f"{kind}/{task}.parquet" for kind in ("calls", "samples") for task in ("facts", "sums")]
    assert sorted(files) == sorted(["spec.yaml", "results.json", *samples])
    written = (BucketPath.parse(str(result.folder)) / "spec.yaml").read_text()
    assert yaml.safe_load(written)["output"] == prefix
    assert not {WRITER[1], os.environ["AWS_ENDPOINT_URL"]} & set(written.split())


def test_what_prefect_stores_of_a_step_in_a_bucket_is_json(
    lab: Lab, prefix: str, seaweedfs: SeaweedFS
) -> None:
    lab.add_texts("sums", 5)
    lab.evaluate("sums", output=prefix)
    records = [name for name in objects(seaweedfs, prefix) if name.startswith(".steps/finished/")]
    assert len(records) == 4
    for name in records:
        record = json.loads((BucketPath.parse(prefix) / name).read_bytes())
        assert record["metadata"]["serializer"] == {"type": "assay-record"}


def test_another_machine_with_the_same_output_and_store_does_nothing_again(
    lab: Lab, other_lab: Lab, prefix: str, database: str, seaweedfs: SeaweedFS
) -> None:
    lab.add_texts("sums", 10)
    first = lab.evaluate("sums", MODEL, output=prefix, store=database)
    steps = times(seaweedfs, f"{prefix}/.steps")
    second = other_lab.evaluate("sums", MODEL, output=prefix, store=database)
    assert (lab.asked, other_lab.asked) == (10, 0)
    after = times(seaweedfs, f"{prefix}/.steps")
    assert steps.items() <= after.items(), "no step was done, or recorded, again"
    # But for the first: the name of the model has the path of the lab's log.
    assert [name for name in after if "/finished/" not in name and name not in steps] == []
    assert len(after) - len(steps) == 1
    assert second.results["results"] == first.results["results"]
    assert second.results["assay"]["requests_reused"] == 10
    assert second.folder != first.folder
    assert not list((other_lab.home / "steps").rglob("*"))
    kept = [file.name for file in (other_lab.home / "shared").rglob("*") if file.is_file()]
    assert any(name.endswith(".parquet") for name in kept)


@pytest.mark.slow
def test_a_run_killed_on_one_machine_goes_on_on_another(
    lab: Lab, other_lab: Lab, prefix: str, database: str, tmp_path: Path
) -> None:
    lab.add_texts("sums", 40)
    where = (f"--output={prefix}", f"--store={database}")
    kill(started(lab, *where))
    kept = lab.asked - BATCH
    result = other_lab.evaluate("sums", MODEL, output=prefix, store=database)
    assert lab.asked + other_lab.asked <= 40 + BATCH
    assert result.results["assay"]["requests_reused"] >= kept
    assert result.results["results"] == lab.undisturbed(tmp_path / "alone", "sums")


def test_a_step_whose_object_is_gone_is_done_again(lab: Lab, prefix: str, seaweedfs: SeaweedFS) -> None:
    lab.add_texts("sums", 5)
    before = lab.evaluate("sums", output=prefix)
    for name in objects(seaweedfs, prefix):
        if name.startswith((".steps/prepared", ".steps/scored")):
            seaweedfs.files().rm_file(f"{prefix.removeprefix('s3://')}/{name}")
    for file in (lab.home / "shared").rglob("*.*"):
        file.unlink()
    after = lab.evaluate("sums", output=prefix)
    assert after.failures == {}
    assert after.results["results"] == before.results["results"]
    assert lab.asked == 5


def test_keys_that_may_only_read_are_said_before_the_model_is_asked(
    lab: Lab, prefix: str, seaweedfs: SeaweedFS
) -> None:
    lab.add_texts("sums", 5)
    ended = lab.run(f"--output={prefix}", tasks="sums", **seaweedfs.environment(READER))
    assert (ended.status, lab.asked) == (2, 0)
    assert is_said_in_a_line(ended, f"error: --output {prefix}: cannot write", "Access Denied")
    assert len(ended.errors.strip().splitlines()) == 1


def test_a_database_that_is_away_is_said_before_the_model_is_asked(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    ended = lab.run("--store=postgresql+psycopg://me@127.0.0.1:1/answers", tasks="sums")
    assert (ended.status, lab.asked) == (2, 0)
    assert is_said_in_a_line(ended, "me@127.0.0.1:1/answers", "Connection refused")
    assert len(ended.errors.strip().splitlines()) == 1


@pytest.mark.slow
def test_an_object_store_killed_and_restarted_in_a_run_costs_nothing(
    lab: Lab, prefix: str, seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    lab.add_texts("sums", 40)
    lab.add_texts("more", 4)
    process = lab.start(f"--output={prefix}", tasks="sums,more", model=SLOW_MODEL)
    assert until(lambda: lab.asked >= BATCH, process)
    seaweedfs.kill()
    asked_before = until(lambda: lab.asked >= 40, process)
    seaweedfs.start()
    ended = finish(process)
    assert asked_before
    assert ended.status == 0, ended.errors
    assert lab.asked == 44
    assert all_results(seaweedfs, prefix) == [lab.undisturbed(tmp_path / "alone", "sums,more")]


@pytest.mark.slow
def test_a_database_killed_and_restarted_in_a_run_costs_nothing(
    lab: Lab, database: str, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    lab.add_texts("sums", 40)
    process = started(lab, f"--store={database}")
    postgresql.kill()
    time.sleep(1)
    postgresql.start()
    ended = finish(process)
    assert ended.status == 0, ended.errors
    assert lab.asked == 40
    assert lab.all_results == [lab.undisturbed(tmp_path / "alone", "sums")]


@pytest.mark.slow  # as long as is waited for what stays away
def test_a_database_that_stays_away_ends_the_run_and_the_next_goes_on(
    lab: Lab, database: str, postgresql: PostgreSQL
) -> None:
    lab.add_texts("sums", 40)
    process = started(lab, f"--store={database}")
    postgresql.kill()
    try:
        ended = finish(process)
    finally:
        postgresql.start()
    assert ended.status == 1
    assert is_said_in_a_line(ended, "failed: ", database.partition("@")[2], "Connection refused")
    kept = lab.asked - 2 * BATCH
    again = lab.run(f"--store={database}", tasks="sums", model=MODEL)
    assert again.status == 0, again.errors
    assert lab.asked <= 40 + 2 * BATCH
    assert lab.last["assay"]["requests_reused"] >= kept


@pytest.mark.slow  # as long as is waited for what stays away
def test_an_object_store_that_stays_away_ends_the_run_and_the_next_asks_nothing_again(
    lab: Lab, prefix: str, seaweedfs: SeaweedFS
) -> None:
    lab.add_texts("sums", 40)
    process = started(lab, f"--output={prefix}")
    seaweedfs.kill()
    try:
        ended = finish(process)
    finally:
        seaweedfs.start()
    assert ended.status == 1
    assert is_said_in_a_line(ended, f"cannot write {prefix}/", "Could not connect")
    assert all_results(seaweedfs, prefix) == []
    again = lab.run(f"--output={prefix}", tasks="sums", model=MODEL)
    assert again.status == 0, again.errors
    assert lab.asked == 40
    assert len(all_results(seaweedfs, prefix)) == 1


@pytest.mark.slow
def test_two_machines_that_run_at_once_write_two_runs_and_agree(
    lab: Lab, other_lab: Lab, prefix: str, database: str, seaweedfs: SeaweedFS
) -> None:
    lab.add_texts("sums", 10)
    where = (f"--output={prefix}", f"--store={database}")
    both = [one.start(*where, tasks="sums", model=MODEL) for one in (lab, other_lab)]
    assert [finish(process).status for process in both] == [0, 0]
    one, other = all_results(seaweedfs, prefix)
    assert one == other


def test_no_password_is_anywhere_that_a_run_leaves(
    lab: Lab, database: str, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.add_texts("sums", 5)
    secret = database.replace("assay@", f"assay:{postgresql.PASSWORD}@")
    ended = lab.run("--store=env:ANSWERS", tasks="sums", ANSWERS=secret, PGPASSWORD="")
    assert ended.status == 0, ended.errors
    assert postgresql.PASSWORD not in ended.out + ended.errors
    left = [file for root in (lab.home, lab.results) for file in root.rglob("*") if file.is_file()]
    assert len(left) > 5
    assert not [file for file in left if postgresql.PASSWORD.encode() in file.read_bytes()]
    assert list(lab.results.glob("*/*/results.json"))
