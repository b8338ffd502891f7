"""Runs in MLflow: in a database of the test, and on a real server where there is one."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.common.errors import PublishError
from flows.results.evaluation_result import EvaluationResult
from flows.sinks.registry import open_sink
from tests.support.finished_run import TASKS
from tests.support.packages import needed
from tests.support.paths import ROOT
from tests.support.servers.process import Command, free_port, serving

needed("mlflow", reason="needs the extra `mlflow`")

VARIABLE = "ASSAY_MLFLOW"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty tracking store; artifacts go below the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of MLflow's own server, of `ASSAY_MLFLOW` or `.venv-mlflow`."""
    program = Path(os.environ.get(VARIABLE) or ROOT / ".venv-mlflow/bin/mlflow")
    if not program.is_file():
        pytest.skip(f"no MLflow server: `make venv-mlflow`, or name its program in {VARIABLE}")
    port = free_port()
    store = [
        f"--backend-store-uri=sqlite:///{tmp_path}/server.db",
        f"--artifacts-destination={tmp_path}/files",
    ]
    where = ["--host=127.0.0.1", f"--port={port}", "--workers=1"]
    with serving(
        Command([str(program), "server", *store, *where], port, {"MLFLOW_DISABLE_TELEMETRY": "true"})
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"


def check_published_twice(finished: EvaluationResult, address: str) -> None:
    """A run that is published twice is one MLflow run with scores, spec and samples."""
    from mlflow import MlflowClient

    for _ in range(2):
        assert open_sink("mlflow:ours").publish(finished).startswith(address)
    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("ours").experiment_id])
    score = finished.results["results"]["starter_choices"]["acc,none"]
    assert run.data.metrics["starter_choices/acc/none"] == pytest.approx(score)
    assert len(client.get_metric_history(run.info.run_id, "starter_choices/acc/none")) == 1
    assert run.data.params["model"] == "scripted:hash"
    assert run.data.tags["assay.folder"] == str(finished.folder)
    assert run.info.status == "FINISHED"
    table = Path(client.download_artifacts(run.info.run_id, f"samples/{TASKS[0]}.json"))
    assert len(json.loads(table.read_text())["data"]) == 4


def test_a_run_is_published_once_with_scores_spec_and_samples(
    finished: EvaluationResult, database: str
) -> None:
    check_published_twice(finished, database)


@pytest.mark.slow
def test_a_run_is_published_to_a_real_server(finished: EvaluationResult, server: str) -> None:
    check_published_twice(finished, server)


def test_a_store_that_cannot_be_opened_is_said_in_a_line(
    finished: EvaluationResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(PublishError, match="mlflow:ours: ") as error:
        open_sink("mlflow:ours").publish(finished)
    assert "\n" not in str(error.value)
