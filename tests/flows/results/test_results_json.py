"""The model of `results.json`: it holds what the file does, and refuses what it cannot know."""

import json
from pathlib import Path

import pytest

from flows.common.errors import ResultError
from flows.results.evaluation_result import EvaluationResult
from flows.results.results_json import FORMAT, RunRecord
from tests.support.paths import ROOT

OLDER = ROOT / "tests" / "support" / "version_before" / "first"


def test_what_is_read_is_written_as_it_was() -> None:
    content = json.loads((OLDER / "results.json").read_text("utf-8"))
    assert json.loads(json.dumps(RunRecord.read(content).content())) == content


def test_a_file_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    newer = {"results": {}, "assay": {"format": FORMAT + 1}}
    (tmp_path / "results.json").write_text(json.dumps(newer))
    with pytest.raises(ResultError, match=f"is of format {FORMAT + 1}, which a newer version wrote"):
        EvaluationResult.open(tmp_path)


def test_a_file_that_is_something_else_is_refused_by_the_key() -> None:
    with pytest.raises(ResultError, match="none of a run: group_subtasks: "):
        RunRecord.read({"group_subtasks": ["a"]})
