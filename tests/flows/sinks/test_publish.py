"""Publishing after a run: it costs the run nothing, is tried again, and can be done later."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli.evaluate_command import main
from flows.cli.publish_command import main as publish_main
from flows.evaluate import evaluate
from flows.results.evaluation_result import EvaluationResult
from flows.specs.evaluation import EvaluationSpec
from tests.support.hub.server import READS, Fault, Hub

NAME = "org/evaluations"


@pytest.fixture
def without_waiting(prefect_server: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Prefect server, and no time between tries."""
    from flows.steps import publish as step

    monkeypatch.setattr(step, "DELAYS", (0, 0))
    monkeypatch.setattr(step, "MOST_SECONDS", 20)


def spec(tmp_path: Path, sinks: str) -> EvaluationSpec:
    return EvaluationSpec.model_validate(
        {
            "tasks": "starter_text",
            "limit": 2,
            "model": "scripted:hash",
            "output": tmp_path / "r",
            "sinks": sinks,
        }
    )


@pytest.mark.usefixtures("without_waiting")
def test_a_run_is_published_when_it_is_done_and_again_after_an_outage(hub: Hub, tmp_path: Path) -> None:
    hub.faults += [Fault("/commit/", 503, applied=True), Fault("/repos/create", 429)]
    folder = tmp_path / "board"
    result = evaluate(spec(tmp_path, f"hub:{NAME},tensorboard:{folder}"))
    (commit,) = hub.dataset(NAME).commits[1:]
    assert result.folder.name in commit.title
    assert list(folder.glob("*/*/events.*"))


@pytest.mark.usefixtures("without_waiting")
def test_a_sink_that_fails_costs_the_run_nothing(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", READS)
    folder = tmp_path / "board"
    flags = ["--model", "scripted:hash", "--tasks", "starter_text", "--limit", "2"]
    sinks = f"hub:{NAME},tensorboard:{folder}"
    assert main([*flags, "--output", str(tmp_path / "r"), "--sinks", sinks]) == 0
    said = capsys.readouterr()
    assert f"not published: hub:{NAME}: HF_TOKEN may not write there (status 403)" in said.err
    assert "starter_text" in said.out
    (results,) = tmp_path.glob("r/*/*/results.json")
    assert f"flows/publish.py {results.parent} --to 'hub:{NAME}'" in said.err
    assert json.loads(results.read_text())["assay"]["failed"] == {}
    assert list(folder.glob("*/*/events.*"))
    assert sum("/repos/create" in call for call in hub.calls) == 1


@pytest.mark.usefixtures("without_waiting")
def test_a_sink_that_never_answers_does_not_keep_the_run_from_its_end(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from flows.steps import publish as step

    monkeypatch.setattr(step, "DELAYS", (0,))
    monkeypatch.setattr(step, "MOST_SECONDS", 1)
    hub.faults.append(Fault("/commit/", 0, seconds=60))
    result = evaluate(spec(tmp_path, f"hub:{NAME}"))
    assert result.failures == {}
    assert f"not published: hub:{NAME}: not done after 1 seconds" in caplog.text


@pytest.mark.usefixtures("without_waiting")
def test_a_run_that_is_not_published_ends_in_a_state_that_says_so(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.pipeline.evaluate_flow import evaluate_flow

    monkeypatch.setenv("HF_TOKEN", READS)
    state: Any = evaluate_flow(spec=spec(tmp_path, f"hub:{NAME}"), return_state=True)
    assert state.is_completed()
    assert state.name == "NotPublished"
    assert f"hub:{NAME}" in state.message


def test_a_finished_run_is_published_later(
    hub: Hub, finished: EvaluationResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish_main([str(finished.folder), "--to", f"hub:{NAME}", "--to", f"tensorboard:{tmp_path}"]) == 0
    assert f"published: {hub.url}/datasets/{NAME}" in capsys.readouterr().out
    assert len(hub.dataset(NAME).commits) == 2
    assert list(tmp_path.rglob("events.*"))


@pytest.mark.parametrize(
    ("run", "sink", "token", "status", "said"),
    [
        ("", "hubb:a/b", "t", 2, "did you mean 'hub'"),
        ("", f"hub:{NAME}", READS, 1, "may not write"),
        ("", f"hub:{NAME}", "", 2, "HF_TOKEN is not set"),
        ("/nowhere", f"hub:{NAME}", "t", 2, "no results.json"),
    ],
)
def test_what_cannot_be_published_later_is_said_in_a_line(
    hub: Hub,
    finished: EvaluationResult,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    run: str,
    sink: str,
    token: str,
    status: int,
    said: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert publish_main([run or str(finished.folder), "--to", sink]) == status
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
