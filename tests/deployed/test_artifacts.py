"""What a run shows in Prefect's UI: tags, progress with the time left, scores as tasks finish, a summary."""

import json
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from flows.reporting import artifact_pages
from flows.reporting.reporter import Reporter, Work
from tests.support.lab import Lab


@pytest.fixture
def shown(lab: Lab) -> dict[str, Any]:
    """The newest artifacts after a run of two tasks, of which one fails, by type; and the flow run's tags."""
    from prefect.client.orchestration import get_client

    lab.add_texts("sums", 20)
    lab.add_choices("facts", 10)
    lab.add_texts("broken", 5, doc_to_text="{{ question.nothing.here }}")
    folder = lab.evaluate("sums,facts,broken", "scripted:hash").folder
    with get_client(sync_client=True) as client:
        run = client.read_flow_runs(limit=1, sort="START_TIME_DESC")[0]  # type: ignore[arg-type]
        found = client.request("POST", "/artifacts/filter", json={"sort": "CREATED_DESC"}).json()
    own = {one["type"]: one for one in found if one["flow_run_id"] == str(run.id)}
    return {**own, "tags": run.tags, "folder": folder}


def test_a_run_shows_its_progress_scores_and_summary_and_is_tagged_by_its_model(
    shown: dict[str, Any],
) -> None:
    assert "scripted" in shown["tags"]
    assert any(tag.startswith("scripted:hash?") for tag in shown["tags"])
    assert shown["progress"]["key"] == "progress-scripted-hash"
    assert shown["progress"]["data"] == 100.0
    assert shown["progress"]["description"] == "40 of 40 requests answered"
    rows = json.loads(shown["table"]["data"])
    assert [row["Task"] for row in rows] == ["sums", "facts", "facts"]
    summary = shown["markdown"]["data"]
    assert "**2 tasks scored, 1 failed**" in summary
    assert f"[{shown['folder']}](file://{shown['folder']})" in summary
    assert "- **broken** failed: broken:" in summary
    assert "requests/s" in summary


def test_the_time_left_is_said_once_something_was_answered() -> None:
    work = Work()
    work.total["generate_until"] = 1000
    assert artifact_pages.progress(work) == (0.0, "0 of 1,000 requests answered")
    work.answered("generate_until", 250, 30.0)
    assert artifact_pages.progress(work) == (25.0, "250 of 1,000 requests answered; about 0:01:30 left")


def test_the_time_of_shards_that_are_asked_side_by_side_is_counted_once() -> None:
    reporter = Reporter()
    reporter.work.total["generate_until"] = 600
    for _ in range(3):
        reporter.answered("generate_until", 100, 100.0)
    assert reporter.work.seconds_left() == pytest.approx(100, abs=5)


def test_a_server_that_is_away_holds_up_no_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.planning.plan import Plan
    from flows.reporting import prefect_artifacts

    monkeypatch.setattr("flows.reporting.artifact_writer.PATIENCE", 0.5)
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    lab.add_texts("sums", 2)
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
    with silent, temporary_settings({PREFECT_API_URL: url}):
        shown = prefect_artifacts.ArtifactReporter(Reporter(), Plan.of(lab.spec("sums")), uuid4())
        began = time.monotonic()
        shown.answered("generate_until", 2, 0.1)
        shown.close()
    assert time.monotonic() - began < 30


@pytest.mark.usefixtures("prefect_server")
def test_the_last_artifacts_are_shown_also_when_the_flows_own_client_has_ended(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.context import SyncClientContext

    from flows.planning.plan import Plan
    from flows.reporting.prefect_artifacts import ArtifactReporter

    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    lab.add_texts("sums", 2)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(flow(name="nothing")(lambda: None)).id
        with SyncClientContext():
            shown = ArtifactReporter(Reporter(), Plan.of(lab.spec("sums")), run)
        shown.work.total["generate_until"] = 2
        shown.answered("generate_until", 2, 0.1)
        shown.close()
        of_run = {"artifacts": {"flow_run_id": {"any_": [str(run)]}}}
        (found,) = client.request("POST", "/artifacts/filter", json=of_run).json()
    assert found["description"] == "2 of 2 requests answered"


@pytest.mark.slow
def test_a_temporary_server_gets_no_artifacts(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("sums", 5)
    done = lab.run(tasks="sums", PREFECT_API_URL="", PREFECT_HOME=str(tmp_path / "prefect"))
    assert done.status == 0, done.errors
    with sqlite3.connect(tmp_path / "prefect" / "prefect.db") as database:
        counts = [
            database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("flow_run", "artifact")
        ]
    assert counts == [1, 0]
