"""The evaluation as a whole, called from Python with a scripted model."""

from pathlib import Path

import pytest

from flows.evaluate import evaluate
from flows.specs.evaluation import EvaluationSpec

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


@pytest.mark.slow
def test_task_code_that_draws_numbers_draws_the_same_in_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drawn.py").write_text(
        "import random\nrandom.seed()\ndef score(doc, results):\n    return {'drawn': random.random()}\n"
    )
    (tmp_path / "drawn.yaml").write_text(
        f"task: drawn\ndataset_path: json\ntest_split: train\ndoc_to_text: '{{{{q}}}}'\ndoc_to_target: q\n"
        f"dataset_kwargs: {{data_files: {tmp_path}/rows.jsonl}}\n"
        "process_results: !function drawn.score\nmetric_list: [{metric: drawn, aggregation: mean}]\n"
    )
    (tmp_path / "rows.jsonl").write_text('{"q": "a"}\n{"q": "b"}\n')
    drawn = []
    for home in ("one", "two"):
        monkeypatch.setenv("ASSAY_HOME", str(tmp_path / home))
        result = evaluate(spec(tmp_path, tasks="drawn", include_path=str(tmp_path), trust_task_code=True))
        drawn.append(list(result.samples("drawn")["drawn"]))
        (tmp_path / "drawn.py").touch()
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[0][1]
