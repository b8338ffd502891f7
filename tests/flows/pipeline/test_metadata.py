"""`--metadata`, `--repeats` and what a model's arguments do: they reach the tasks that they are for."""

from pathlib import Path
from typing import Any

import pytest

from flows.evaluate import evaluate
from flows.results.evaluation_result import EvaluationResult
from flows.specs.evaluation import EvaluationSpec

pytestmark = pytest.mark.usefixtures("prefect_server", "home")

CODE = """
def make(size=1, mark="none", **rest):
    assert "version" not in rest or rest["version"] == 7.0
    return {"test": [{"q": f"{mark} {n}", "a": str(n)} for n in range(size)]}

def unsteady(docs):
    import os
    return [{**doc, "a": os.urandom(4).hex()} for doc in docs]
"""
MADE = "custom_dataset: !function code.make\ndataset_kwargs: {size: 2}\nmetadata: {version: 7.0, mark: file}"
READ = "dataset_path: read"


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs `made`, whose documents a function makes, and `read`, which has one document in a file."""
    (tmp_path / "code.py").write_text(CODE)
    for name, own in {
        "made": MADE,
        "read": READ,
        "unsteady": f"{READ}\nprocess_docs: !function code.unsteady",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(
            f"task: {name}\n{own}\ntest_split: test\ndoc_to_text: '{{{{q}}}}'\ndoc_to_target: a\n"
        )
    data = tmp_path / "data/read/default/test.jsonl"
    data.parent.mkdir(parents=True)
    data.write_text('{"q": "read 0", "a": "0"}\n')

    def evaluated(**keys: object) -> EvaluationResult:
        given = {
            "model": f"scripted:hash?log={tmp_path}/asked",
            "tasks": "made,read",
            "include_path": str(tmp_path),
            "trust_task_code": True,
            "data_root": str(tmp_path / "data"),
            "output": str(tmp_path / "results"),
        }
        return evaluate(EvaluationSpec.model_validate({**given, **keys}))

    return evaluated


def questions(result: EvaluationResult) -> list[str]:
    return [row["doc"]["q"] for row in result.samples("made").to_dict("records")]


def asked(tmp_path: Path) -> int:
    return len((tmp_path / "asked").read_text().splitlines())


def test_a_task_that_makes_its_documents_gets_its_files_metadata(run: Any) -> None:
    assert questions(run()) == ["file 0", "file 1"]


def test_metadata_of_a_run_win_over_the_files(run: Any) -> None:
    result = run(metadata='{"mark": "run"}')
    assert questions(result) == ["run 0", "run 1"]
    assert result.results["configs"]["made"]["metadata"]["mark"] == "run"
    assert result.results["configs"]["read"]["metadata"] == {"mark": "run"}


def test_a_models_arguments_reach_only_tasks_that_make_their_documents(run: Any) -> None:
    result = run(model="scripted:hash?version=5&delay=0&batch_size=3")
    assert result.results["configs"]["made"]["metadata"]["batch_size"] == 3
    assert result.results["versions"] == {"made": 7.0, "read": "Yaml"}
    assert (
        "metadata" not in result.results["configs"]["read"]
        or not result.results["configs"]["read"]["metadata"]
    )


def test_other_metadata_are_other_documents_and_the_same_ask_nothing(run: Any, tmp_path: Path) -> None:
    for mark, total in (("x", 3), ("x", 3), ("y", 5), ("x", 5)):
        assert questions(run(metadata=f"mark={mark}")) == [f"{mark} 0", f"{mark} 1"]
        assert asked(tmp_path) == total


def test_repeats_of_a_run_are_asked_and_those_that_were_are_not_again(run: Any, tmp_path: Path) -> None:
    assert len(run(tasks="read", repeats=3).samples("read")["resps"][0][0]) == 3
    assert asked(tmp_path) == 3
    run(tasks="read", repeats=4)
    assert asked(tmp_path) == 4
    run(tasks="read")
    assert asked(tmp_path) == 4


def test_documents_that_change_between_asking_and_scoring_have_no_score(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.planning.task_calls.KEPT_TASKS", 0)  # as where there are many tasks
    result = run(tasks="unsteady")
    assert "other documents now than those that were asked about" in result.failures["unsteady"]
    assert run(tasks="read").failures == {}
