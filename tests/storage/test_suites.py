"""Suites in a bucket, and what is done with finished runs there: all as with the same on disk."""

import re
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flows.benchmark import benchmark
from flows.cli.compare_command import main as compare_main
from flows.cli.publish_command import main as publish_main
from flows.cli.rescore_command import main as rescore_main
from flows.common.errors import SpecError
from flows.compare import compare
from flows.results.evaluation_result import EvaluationResult
from flows.storage.bucket import BucketPath
from flows.suites.result import SuiteResult
from tests.support.lab import Lab
from tests.support.nights import DOCS, TASK, Nights
from tests.support.servers.seaweedfs import SeaweedFS

STAMPS = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")
FILES = ("leaderboard.csv", "leaderboard.md", "leaderboard.json", "changes.json")


def texts(result: SuiteResult, output: str) -> dict[str, str]:
    """The files of a suite's run, without when and where it was."""
    read = {name: (result.folder / name).read_text(encoding="utf-8") for name in FILES}
    return {name: STAMPS.sub("STAMP", text).replace(output, "OUTPUT") for name, text in read.items()}


def names(seaweedfs: SeaweedFS, place: str) -> list[str]:
    found = seaweedfs.files().find(place.removeprefix("s3://"))
    return [f"s3://{name}".removeprefix(f"{place}/") for name in found]


@pytest.mark.slow
def test_a_suite_in_a_bucket_finds_what_it_does_on_disk_and_writes_it_there(
    lab: Lab, other_lab: Lab, prefix: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = Nights(lab)
    own = {"output": prefix, "defaults": {**nights.spec("scripted:hash").defaults, "store": database}}
    models = nights.model("one", wrong=0), nights.model("other", wrong=10)
    nights.run(nights.spec(*models))
    first = nights.run(nights.spec(*models, **own))
    nights.model("one", wrong=30)
    on_disk = nights.run(nights.spec(*models))
    monkeypatch.setenv("ASSAY_HOME", str(other_lab.home))  # the next night is another machine's
    second = benchmark(nights.spec(*models, **own))
    assert texts(second, prefix) == texts(on_disk, str(lab.results))
    (regression,) = SuiteResult.open(str(second.folder)).changes.regressions
    assert (regression.model, regression.difference) == ("one", -0.5)
    assert regression.since == first.board.stamp
    asked = {name: second.evaluation(name).results["assay"]["requests_asked"] for name in ("one", "other")}
    assert asked == {"one": 2 * DOCS, "other": 0}


def test_the_nights_of_a_suite_share_what_steps_left_in_the_bucket(
    lab: Lab, prefix: str, seaweedfs: SeaweedFS
) -> None:
    nights = Nights(lab)
    spec = nights.spec(nights.model("one", wrong=5), output=prefix)
    nights.run(spec)
    before = [name for name in names(seaweedfs, prefix) if ".steps/" in name]
    nights.run(spec)
    after = [name for name in names(seaweedfs, prefix) if ".steps/" in name]
    assert before
    assert all(name.startswith(".steps/") for name in before)
    assert [name for name in after if name not in before and "/finished/" not in name] == []


def test_a_bucket_that_is_away_is_said_before_a_suite_begins(
    lab: Lab, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = Nights(lab)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    begun = time.monotonic()
    with pytest.raises(SpecError, match=f"output: cannot list {prefix}: Could not connect"):
        benchmark(nights.spec("scripted:hash", output=prefix))
    assert time.monotonic() - begun < 60


@pytest.fixture
def pairs(lab: Lab, prefix: str, seaweedfs: SeaweedFS) -> list[list[str]]:
    """Two finished runs: their folders on disk, and those of the very same in a bucket."""
    nights = Nights(lab)
    runs = []
    for wrong in (5, 25):
        runs.append(lab.evaluate(TASK, nights.model("one", wrong)["model"]).folder)
    copies = [f"{prefix}/{run.parent.name}/{run.name}" for run in runs]
    for run, copy in zip(runs, copies, strict=True):
        seaweedfs.files().put(f"{run}/", f"{copy.removeprefix('s3://')}/", recursive=True)
    return [[str(run) for run in runs], copies]


def test_runs_in_a_bucket_are_opened_and_compared_as_those_on_disk(pairs: list[list[str]]) -> None:
    (on_disk, in_bucket) = pairs
    ours, theirs = EvaluationResult.open(on_disk[0]), EvaluationResult.open(in_bucket[0])
    assert theirs.folder == BucketPath.parse(in_bucket[0])
    assert theirs.results == ours.results
    assert theirs.table() == ours.table()
    for own, other in zip(frames(ours), frames(theirs), strict=True):
        pd.testing.assert_frame_equal(other, own)
    ((there,), (here,)) = compare(in_bucket), compare(on_disk)
    assert there.find(TASK, "acc").numbers()["difference"] == pytest.approx(-20 / DOCS)
    assert without_folders(there.to_json()) == without_folders(here.to_json())


def frames(result: EvaluationResult) -> list[pd.DataFrame]:
    return [result.frame(), result.samples(TASK), result.calls(TASK)]


def without_folders(comparison: dict[str, Any]) -> dict[str, Any]:
    return {**comparison, "first": "", "second": ""}


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_a_comparison_is_written_to_a_bucket_too(
    pairs: list[list[str]], prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    place = f"{prefix}/comparisons/c.{suffix}"
    assert compare_main([*pairs[1], "--output", place]) == 0
    assert compare_main([*pairs[1], "--output", f"c.{suffix}"]) == 0
    assert BucketPath.parse(place).read_text() == (tmp_path / f"c.{suffix}").read_text()
    assert not (tmp_path / "s3:").exists()


@pytest.mark.slow
def test_a_run_in_a_bucket_is_scored_again_and_published_as_one_on_disk(
    pairs: list[list[str]], lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seaweedfs: SeaweedFS
) -> None:
    pytest.importorskip("tensorboardX", reason="publishes with tensorboardX, which is not installed")
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    (on_disk, in_bucket) = pairs
    asked = lab.asked
    lab.edit_task(TASK, metric_list=[{"metric": "acc_norm"}])
    prefix = in_bucket[0].rpartition("/")[0].rpartition("/")[0]
    assert rescore_main([on_disk[0], "--output", str(tmp_path / "again")]) == 0
    assert rescore_main([in_bucket[0], "--output", f"{prefix}/again"]) == 0
    (ours,) = (tmp_path / "again").glob("*/*/results.json")
    (theirs,) = [name for name in names(seaweedfs, f"{prefix}/again") if name.endswith("results.json")]
    folder = f"{prefix}/again/{theirs.removesuffix('/results.json')}"
    own, other = EvaluationResult.open(ours.parent), EvaluationResult.open(folder)
    assert other.results["results"] == own.results["results"]
    assert "acc_norm,none" in other.results["results"][TASK]
    assert "acc,none" not in other.results["results"][TASK]
    assert other.results["assay"]["answers_from"] == in_bucket[0]
    assert lab.asked == asked
    board = tmp_path / "board"
    assert publish_main([folder, "--to", f"tensorboard:{board}"]) == 0
    assert list(board.glob(f"*/{folder.rpartition('/')[2]}/events.*"))
