"""A finished run, and copies of it that pass for other runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flows.results.evaluation_result import EvaluationResult

TASKS = ["starter_choices", "starter_text"]
OtherRun = Callable[..., "EvaluationResult"]


@pytest.fixture(scope="session")
def finished(
    prefect_server: str, catalog_index: Path, tmp_path_factory: pytest.TempPathFactory
) -> "EvaluationResult":
    """A run of two tasks; its model has headers, which nobody should read."""
    from flows.evaluate import evaluate
    from flows.specs.evaluation import EvaluationSpec

    folder = tmp_path_factory.mktemp("finished")
    (folder / "home").mkdir()
    (folder / "home" / "catalog").symlink_to(catalog_index)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_HOME", str(folder / "home"))
        patch.delenv("ASSAY_DATA_ROOT", raising=False)
        spec = EvaluationSpec.model_validate(
            {"model": "scripted:hash", "tasks": TASKS, "limit": 4, "output": folder / "results"}
        )
        return evaluate(spec)


@pytest.fixture
def other_run(finished: "EvaluationResult", tmp_path: Path) -> OtherRun:
    """Makes a copy of the finished run under another id and, if wanted, of another model."""
    from flows.results.evaluation_result import EvaluationResult

    def make(run_id: str, model: str = "", **config: object) -> "EvaluationResult":
        folder = tmp_path / "runs" / (model or finished.folder.parent.name) / run_id
        shutil.copytree(str(finished.folder), folder)
        results = json.loads((folder / "results.json").read_text())
        results["config"] |= config
        (folder / "results.json").write_text(json.dumps(results))
        return EvaluationResult.open(folder)

    return make
