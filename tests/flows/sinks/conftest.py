"""A finished run, and copies of it that pass for other runs; a Hub to publish to."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.results.evaluation_result import EvaluationResult
from tests.hub.server import WRITES, Hub, serving

TASKS = ["starter_choices", "starter_text"]
OtherRun = Callable[..., EvaluationResult]


@pytest.fixture(scope="session")
def finished(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    """A run of two tasks; its model has headers, which nobody should read."""
    from flows.evaluate import evaluate
    from flows.specs.evaluation import EvaluationSpec

    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_HOME", str(folder / "home"))
        patch.delenv("ASSAY_DATA_ROOT", raising=False)
        spec = EvaluationSpec.model_validate(
            {"model": "scripted:hash", "tasks": TASKS, "limit": 4, "output": folder / "results"}
        )
        return evaluate(spec)


@pytest.fixture
def other_run(finished: EvaluationResult, tmp_path: Path) -> OtherRun:
    """Makes a copy of the finished run under another id and, if wanted, of another model."""

    def make(run_id: str, model: str = "", **config: object) -> EvaluationResult:
        folder = tmp_path / "runs" / (model or finished.folder.parent.name) / run_id
        shutil.copytree(finished.folder, folder)
        results = json.loads((folder / "results.json").read_text())
        results["config"] |= config
        (folder / "results.json").write_text(json.dumps(results))
        return EvaluationResult.open(folder)

    return make


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in Hub that this process's client talks to, with a token that may write."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # a protocol of its own, with native code
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("HF_TOKEN", WRITES)
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
