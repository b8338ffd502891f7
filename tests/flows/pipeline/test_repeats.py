"""Several answers to each document through a whole run: what they count for, and what is said of the rest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backends.requests import Request
from flows import EvaluationResult, EvaluationSpec, evaluate
from tests.support.paths import SHARED

pytestmark = pytest.mark.usefixtures("prefect_server", "home")

CASE = SHARED / "cases/local/repeats-process-results"
TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/docs.jsonl}}}}
test_split: test
doc_to_text: "{{{{q}}}}"
doc_to_target: a
repeats: 4
generation_kwargs: {{do_sample: true, temperature: 1.0}}
{rest}
"""
OWN = "process_results: !function own.scores\n"
TASKS = {
    "by_the_task": f"{OWN}metric_list: [{{metric: right, aggregation: mean, higher_is_better: true}}]",
    "by_the_task_reduced": f"{OWN}metric_list: [{{metric: right, reduction: [mean, 'pass@2']}}]",
    "by_a_metric": "metric_list: [{metric: exact_match}]",
    "by_a_metric_reduced": "metric_list: [{metric: exact_match, reduction: mean}]",
}
CODE = "def scores(doc, results):\n    return {'right': float(doc['a'] in results[0].split('.'))}\n"


def answer(request: Request) -> str:
    """Right where the repeat is even."""
    return "yes" if request.repeat % 2 == 0 else "no"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> EvaluationResult:
    folder = tmp_path_factory.mktemp("repeats")
    (folder / "docs.jsonl").write_text('{"q": "one?", "a": "yes"}\n{"q": "two?", "a": "yes"}\n')
    (folder / "own.py").write_text(CODE)
    for name, rest in TASKS.items():
        (folder / f"{name}.yaml").write_text(TASK.format(name=name, folder=folder, rest=rest))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_HOME", str(folder / "home"))
        return run(folder, list(TASKS), folder / "results")


def run(tasks: Path, names: list[str], output: Path) -> EvaluationResult:
    given = {"model": f"scripted:{__name__}:answer", "tasks": names, "include_path": [tasks]}
    return evaluate(EvaluationSpec.model_validate({**given, "trust_task_code": True, "output": output}))


def numbers(result: EvaluationResult, task: str) -> Mapping[str, Any]:
    row = result.results["results"][task]
    return {key: value for key, value in row.items() if key.endswith(",none") and "stderr" not in key}


def test_a_tasks_own_scoring_is_done_for_each_answer_and_reduced(result: EvaluationResult) -> None:
    assert result.failures == {}
    found = numbers(result, "by_the_task_reduced")
    assert found == {"right_mean,none": 0.5, "right_pass@2,none": pytest.approx(5 / 6)}
    assert numbers(result, "by_a_metric_reduced") == {"exact_match_mean,none": 0.5}


def test_answers_that_count_for_nothing_are_said(result: EvaluationResult) -> None:
    assert numbers(result, "by_the_task") == {"right,none": 1.0}
    said = "\n".join(result.remarks())
    for task in ("by_the_task", "by_a_metric"):
        assert f"{task}: of 4 answers to each document only 1 counts" in said
    assert "reduction" in said
    assert "reduced: of" not in said
    assert said in result.table()


@pytest.mark.skipif(not CASE.is_dir(), reason=f"no case at {CASE}")
def test_the_reported_tasks_are_scored_by_all_their_answers_or_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CASE)
    found = run(CASE, ["sampled8", "sampled8mean"], tmp_path)
    assert found.failures == {}
    assert list(numbers(found, "sampled8mean")) == ["exact_match_mean,none"]
    assert [line for line in found.remarks() if "answers to each document" in line] == [
        "sampled8: of 8 answers to each document only 1 counts"
    ]
