"""A suite as a whole: flow runs, processes, files, states and the webhook."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml

from backends.retrying import Patience
from flows.benchmark import benchmark
from flows.cli.benchmark_command import main
from flows.specs.suite import SuiteSpec
from flows.suites import model_process
from flows.suites.result import SuiteResult
from metrics.processes import child
from tests.support.http_stub import http_stub
from tests.support.lab import Lab
from tests.support.nights import TASK, Nights
from tests.support.servers.process import free_port
from tests.support.waiting import until


@dataclass
class Week:
    """Three nights of a suite: one with a model that is not there, one that is worse, one worse still."""

    nights: Nights
    folders: list[Path]
    messages: list[Any]
    status: int
    errors: str


@pytest.fixture(scope="module")
def nights(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: str, catalog_index: Path
) -> Iterator[Nights]:
    lab = Lab(tmp_path_factory.mktemp("suite"))
    (lab.home / "catalog").symlink_to(catalog_index)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_HOME", str(lab.home))
        patch.delenv("ASSAY_DATA_ROOT", raising=False)
        patch.setattr("flows.suites.webhook.PATIENCE", Patience(seconds=0.5, first=0.01, longest=0.1))
        yield Nights(lab)


@pytest.fixture(scope="module")
def week(nights: Nights, tmp_path_factory: pytest.TempPathFactory) -> Week:
    one, other = nights.model("one", wrong=0), nights.model("other", wrong=10)
    gone = {"name": "gone", "model": "hf:/no/such/folder"}
    first = benchmark(nights.spec(one, other, gone, name="week", at_once=2))
    nights.model("one", wrong=30)
    with http_stub() as box:
        second = benchmark(nights.spec(one, name="week", webhook=box.url))
    nights.model("one", wrong=60)
    third = nights.spec(one, name="week", webhook=f"http://127.0.0.1:{free_port()}/secret-path")
    file = tmp_path_factory.mktemp("file") / "suite.yaml"
    file.write_text(yaml.safe_dump(third.model_dump(mode="json")))
    capture = pytest.MonkeyPatch()
    said: list[str] = []
    capture.setattr("flows.suites.benchmark_flow._say", said.append)
    status = main(["--suite", str(file)])
    capture.undo()
    last = max((nights.lab.results / "week").iterdir())
    return Week(
        nights,
        [Path(str(first.folder)), Path(str(second.folder)), last],
        box.messages,
        status,
        "\n".join(said),
    )


def flow_runs(**filters: Any) -> list[Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter

    with get_client(sync_client=True) as client:
        return list(client.read_flow_runs(flow_run_filter=FlowRunFilter(**filters)))


def suite_runs() -> list[Any]:
    """The suite's flow runs, the first night first."""
    runs = flow_runs(name={"any_": ["benchmark week"]})
    return sorted(runs, key=lambda run: run.start_time)


def test_the_leaderboard_has_every_model_and_why_one_has_no_score(week: Week) -> None:
    result = SuiteResult.open(week.folders[0])
    assert [cells[:2] for cells in result.board.cells()] == [
        ["one", "1.00"],
        ["other", "2.00"],
        ["gone", "-"],
    ]
    assert result.board.rows[0].scores[TASK].value == 1.0
    assert result.board.reasons()[0].startswith("gone: /no/such/folder: no such folder")
    assert result.evaluation("other").results["results"][TASK]["acc,none"] == pytest.approx(50 / 60)
    assert set(result.frame()["name"]) == {"one", "other"}


def cells(line: str) -> list[str]:
    """Those of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_files_of_a_run_say_the_same_as_its_table(week: Week) -> None:
    folder = week.folders[0]
    content = json.loads((folder / "leaderboard.json").read_text())
    assert [row["name"] for row in content["models"]] == ["one", "other", "gone"]
    assert all((folder / row["run"] / "results.json").exists() for row in content["models"] if row["run"])
    markdown = (folder / "leaderboard.md").read_text().splitlines()
    assert ["one", "1.00", "1.0000 ± 0.0000"] in [cells(line) for line in markdown]
    assert f"one,scripted:{week.nights.lab.home}/one.json" in (folder / "leaderboard.csv").read_text()
    assert [one["verdict"] for one in json.loads((folder / "changes.json").read_text())["changes"]] == [
        "first",
        "first",
    ]


def test_each_model_is_a_flow_run_of_its_own_below_that_of_the_suite(week: Week) -> None:
    first, *_ = suite_runs()
    below = {run.name: run.state_type.value for run in flow_runs(parent_flow_run_id={"any_": [first.id]})}
    assert below == {"one": "COMPLETED", "other": "COMPLETED", "gone": "FAILED"}


def test_a_failed_model_fails_the_run_and_a_regression_gives_it_a_state_of_its_own(week: Week) -> None:
    states = [(run.state_type.value, run.state_name) for run in suite_runs()]
    assert states == [("FAILED", "Failed"), ("FAILED", "Regression"), ("FAILED", "Regression")]
    message = suite_runs()[1].state.message
    assert message.startswith(f"one: {TASK} acc 1.0000 -> 0.5000, -0.5000 (95% interval ")


def test_the_webhook_is_told_once_and_what_it_needs(week: Week) -> None:
    (message,) = week.messages
    assert message["suite"] == "week"
    assert message["folder"] == str(week.folders[1])
    (regression,) = message["regressions"]
    assert (regression["model"], regression["task"], regression["difference"]) == ("one", TASK, -0.5)
    assert regression["p_holm"] < 1e-6
    assert regression["since"] == week.folders[0].name
    assert message["text"].startswith("week: 1 regression(s)\none: choices acc 1.0000 -> 0.5000")
    assert str(suite_runs()[1].id) in message["flow_run"]


def test_a_webhook_that_is_away_costs_a_line_and_no_result(week: Week) -> None:
    assert week.status == 3
    assert "warning: the webhook at 127.0.0.1 was not told: ConnectError" in week.errors
    assert "secret-path" not in week.errors
    assert [one.now for one in SuiteResult.open(week.folders[2]).changes.regressions] == [0.0]


def test_a_task_that_is_not_there_is_refused_before_anything_is_made(
    nights: Nights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for keys in ({"tasks": ["choicse"]}, {"tolerances": {"choicse": 1}}, {"webhook": "env:NO_SUCH_HOOK"}):
        spec = nights.spec("baseline:random", name="wrong", output=str(tmp_path), **keys)
        file = tmp_path / "suite.yaml"
        file.write_text(yaml.safe_dump(spec.model_dump(mode="json")))
        assert main(["--suite", str(file)]) == 2
        assert capsys.readouterr().err.strip().startswith("error: ")
    assert not (tmp_path / "wrong").exists()


def test_a_process_that_is_killed_is_a_failed_model(nights: Nights, tmp_path: Path) -> None:
    from flows.suites.model_processes import ModelRun

    process = subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE)
    flow_run = created_flow_run(nights.spec("baseline:random"))
    run = ModelRun("m", flow_run, process, tmp_path / "none.json")
    assert not run.has_ended
    process.kill()
    process.wait()
    assert run.outcome().error == "its process was killed by signal 9 (out of memory?)"
    assert [one.state_name for one in flow_runs(id={"any_": [flow_run]})] == ["Crashed"]


def test_a_model_does_not_go_on_without_its_suite(nights: Nights, tmp_path: Path) -> None:
    spec = nights.spec(f"scripted:hash?batch_size=1&delay=0.1&log={tmp_path}/asked", name="orphan")
    (one,) = spec.models
    job = model_process.Job(
        name="m",
        spec=spec.evaluation(one, tmp_path / "out"),
        flow_run=created_flow_run(spec),
        outcome=tmp_path / "outcome",
    )
    process = child.start(model_process.__name__)
    assert process.stdin is not None
    process.stdin.write(job.model_dump_json().encode() + b"\n")
    process.stdin.flush()
    assert until((tmp_path / "asked").exists, process)
    child.release(process)  # as the system does when the suite's process is gone
    process.wait(model_process.END_SECONDS + 20)
    assert not job.outcome.exists()


def created_flow_run(spec: SuiteSpec) -> UUID:
    from prefect.client.orchestration import get_client

    from flows.pipeline.evaluate_flow import evaluate_flow

    evaluation = spec.evaluation(spec.models[0], spec.output)
    with get_client(sync_client=True) as client:
        parameters = {"spec": evaluation.model_dump(mode="json")}
        return client.create_flow_run(evaluate_flow, name=str(uuid4()), parameters=parameters).id
