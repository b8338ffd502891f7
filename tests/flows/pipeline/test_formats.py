"""One task in several formats in one run: results side by side, each with its own name."""

from pathlib import Path

import pytest

from flows.evaluate import evaluate
from flows.specs.evaluation import EvaluationSpec

pytestmark = pytest.mark.usefixtures("prefect_server", "home")


def test_formats_of_one_task_stand_side_by_side(tmp_path: Path) -> None:
    names = ["starter_choices", *(f"starter_choices@{one}" for one in ("mcqa", "cloze", "generate", "cot"))]
    spec = {"model": "scripted:hash", "tasks": names, "limit": 5, "output": tmp_path / "results"}
    result = evaluate(EvaluationSpec.model_validate(spec))
    assert result.failures == {}
    frame = result.frame()
    assert dict(zip(frame["alias"], frame["metric"], strict=True)) == {
        "starter_choices": "acc_norm",
        "starter_choices@mcqa": "acc_norm",
        "starter_choices@cloze": "acc_norm",
        "starter_choices@generate": "exact_match",
        "starter_choices@cot": "exact_match",
    }
    prompts = {name: result.samples(name)["arguments"][0][0][0] for name in names}
    assert prompts["starter_choices"] == prompts["starter_choices@cloze"]  # it is written as a cloze
    assert len(set(prompts.values())) == 4
    assert prompts["starter_choices@mcqa"].endswith("\nAnswer:")
    assert prompts["starter_choices@generate"].endswith("\nThe best answer is")
