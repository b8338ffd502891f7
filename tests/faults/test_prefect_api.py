"""Prefect's API: a server that is not there, or no more, and parameters that are too large for it."""

import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort

from flows.prefect_api import large_parameters
from flows.prefect_api.temporary_server import TemporaryServer
from tests.support.lab import Lab, finish
from tests.support.waiting import until

# The command, where a server that is away is waited for a second, and not a minute.
HURRIED = """
import runpy, sys
from backends.retrying import Patience
from flows.prefect_api import lost_server
lost_server.PATIENCE = Patience(seconds=1)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
SLOW_MODEL = "scripted:hash?batch_size=2&delay=0.2"


@pytest.fixture
def server(prefect_server: str) -> Iterator[TemporaryServer]:
    """One of a test's own."""
    server = TemporaryServer(login="")
    server.wait()
    yield server
    server.kill()


@pytest.mark.parametrize("kind", ["closed", "silent", "none"])
def test_an_address_at_which_nobody_answers_is_said_in_a_line(lab: Lab, kind: str) -> None:
    lab.add_texts("sums", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if kind == "silent" else 9
        url = "nonsense" if kind == "none" else f"http://127.0.0.1:{port}/api"
        ended = lab.run(tasks="sums", PREFECT_API_URL=url)
    assert ended.status == 2
    (line,) = ended.errors.strip().splitlines()
    assert line.startswith(f"error: PREFECT_API_URL: no Prefect server answers at {url} (")
    assert "the environment variable PREFECT_API_URL" in line
    assert not lab.results.exists()


@pytest.mark.slow
def test_a_server_that_wants_to_hear_something_else_is_said_in_a_line(lab: Lab) -> None:
    lab.add_texts("sums", 2)
    server = TemporaryServer(login="admin:secret")
    server.wait()
    ended = lab.run(tasks="sums", PREFECT_API_URL=server.url)
    heard = lab.run(tasks="sums", PREFECT_API_URL=server.url, PREFECT_API_AUTH_STRING="admin:secret")
    server.kill()
    assert ended.status == 2
    (line,) = ended.errors.strip().splitlines()
    assert line.startswith(f"error: Prefect's server at {server.url} does not let this run in (HTTP 401)")
    assert heard.status == 0


def test_the_address_of_a_profile_is_named_as_such(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("sums", 2)
    profile = 'active = "cluster"\n[profiles.cluster]\nPREFECT_API_URL = "http://127.0.0.1:9/api"\n'
    (tmp_path / "profiles.toml").write_text(profile)
    ended = lab.run(tasks="sums", PREFECT_API_URL="", PREFECT_HOME=str(tmp_path))
    assert ended.status == 2
    (line,) = ended.errors.strip().splitlines()
    assert "http://127.0.0.1:9/api" in line
    assert "Prefect's profile 'cluster'" in line


@pytest.mark.slow
def test_a_server_that_goes_away_for_good_costs_a_run_nothing(lab: Lab, server: TemporaryServer) -> None:
    lab.add_texts("sums", 12)
    process = lab.start(
        tasks="sums", model=SLOW_MODEL, through=[sys.executable, "-c", HURRIED], PREFECT_API_URL=server.url
    )
    assert until(lambda: lab.asked > 2, process)
    server.kill()
    ended = finish(process)
    assert (ended.status, lab.asked) == (0, 12)
    assert "exact_match" in ended.out
    *_, line = ended.errors.strip().splitlines()
    assert line == f"Prefect's server at {server.url} does not answer; it does not show that this run ended"
    assert "Traceback" not in ended.errors
    assert "EventsWorker" not in ended.errors
    assert lab.last["assay"]["requests_asked"] == 12


@pytest.mark.slow
def test_ctrl_c_is_not_held_up_by_a_server_that_went_away(lab: Lab, server: TemporaryServer) -> None:
    lab.add_texts("sums", 400)
    process = lab.start(tasks="sums", model=SLOW_MODEL, PREFECT_API_URL=server.url)
    assert until(lambda: lab.asked > 2, process)
    server.kill()
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.status == 130
    assert "Traceback" not in ended.errors
    assert "Interrupted." in ended.errors


def test_parameters_that_are_too_large_are_recorded_by_reference(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    lab.add_texts("sums", 2)
    instruction = "x" * 600_000
    result = lab.evaluate("sums", system_instruction=instruction)
    assert not result.failures
    (file,) = (lab.home / "parameters").iterdir()
    assert json.loads(file.read_text())["system_instruction"] == instruction
    with get_client(sync_client=True) as client:
        recorded = [
            run.parameters
            for run in client.read_flow_runs(limit=20, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
        ]
    assert {"spec": {"file": str(file), "sha256": file.stem, "bytes": file.stat().st_size}} in recorded
    assert large_parameters.small({"tasks": ["sums"]}) == {"tasks": ["sums"]}
