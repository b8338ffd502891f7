"""The evaluation as a whole, called from Python with a scripted model."""

from pathlib import Path

import pytest

from flows.evaluate import evaluate
from flows.spec import EvaluationSpec

pytestmark = pytest.mark.usefixtures("prefect_server", "home")


def spec(tmp_path: Path, **given: object) -> EvaluationSpec:
    return EvaluationSpec.model_validate(
        {"model": "scripted:hash", "tasks": "starter_choices", "output": tmp_path / "results", **given}
    )


def test_the_three_starter_tasks_are_scored_and_written(tmp_path: Path) -> None:
    tasks = ["starter_choices", "starter_math", "starter_text"]
    result = evaluate(spec(tmp_path, tasks=tasks, limit=5))
    assert result.failures == {}
    assert list(result.results["results"]) == tasks
    frame = result.frame()
    assert set(frame["task"]) == set(tasks)
    assert frame.set_index(["task", "metric"]).loc[("starter_choices", "acc"), "docs"] == 5
    assert len(result.samples("starter_choices")) == 5
    assert "starter_text" in result.table()
    assert (result.folder / "spec.yaml").exists()


def test_a_second_run_asks_the_model_nothing(tmp_path: Path) -> None:
    log = tmp_path / "asked"
    again = spec(tmp_path, model=f"scripted:hash?log={log}", tasks="starter_choices,starter_math", limit=5)
    first = evaluate(again)
    asked = log.read_text()
    assert len(asked.splitlines()) == 25
    second = evaluate(again)
    assert log.read_text() == asked
    assert second.results["results"] == first.results["results"]
    assert second.results["assay"]["requests_asked"] == 0
    assert second.results["assay"]["requests_reused"] == 25
