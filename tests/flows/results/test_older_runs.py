"""Runs of the version before this format of `results.json` are read, compared, published and rescored.

`tests/support/version_before` holds two of them with the store of their answers, and what that version said
of them.
"""

import json
import shutil
from pathlib import Path

import pytest

from flows.compare import compare
from flows.publish import publish
from flows.rescore import rescore
from flows.results.evaluation_result import EvaluationResult
from flows.specs.rescoring import RescoreSpec
from tests.support.paths import ROOT

BEFORE = ROOT / "tests" / "support" / "version_before"


@pytest.fixture
def first() -> EvaluationResult:
    return EvaluationResult.open(BEFORE / "first")


def test_they_say_nothing_of_their_format(first: EvaluationResult) -> None:
    assert first.record.assay.format == 1
    assert not first.record.assay.aggregations


def test_their_table_is_what_it_was(first: EvaluationResult) -> None:
    assert f"{first.table()}\n" == (BEFORE / "first" / "table.txt").read_text("utf-8")


def test_their_differences_are_what_they_were(first: EvaluationResult) -> None:
    (found,) = compare([first, BEFORE / "second"])
    said = json.loads((BEFORE / "comparison.json").read_text("utf-8"))
    assert {key: value for key, value in found.to_json().items() if key in said} == said


def test_they_are_published(first: EvaluationResult, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="needs the extra `tensorboard`")
    folder = Path(publish(str(first.folder), f"tensorboard:{tmp_path}"))
    assert list(folder.glob("events.*"))


def test_they_are_rescored_and_compared_with_what_that_gives(
    first: EvaluationResult, tmp_path: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(BEFORE / "responses.sqlite", tmp_path)
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    spec = RescoreSpec(run=first.folder, include_path=[BEFORE / "tasks"], output=tmp_path)
    after = rescore(spec)
    assert after.results["results"] == first.results["results"]
    assert after.record.assay.aggregations["choices_plain"]["acc,none"].weight_by_size is False
    (found,) = compare([first, after])
    assert not found.refused
    assert {one.paired.difference for one in found.differences if one.paired} == {0.0}
