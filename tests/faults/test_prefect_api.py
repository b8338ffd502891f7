"""Prefect's API: an address at which nobody answers, and parameters that are too large for it."""

import json
import socket

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort

from flows.prefect_api import large_parameters
from tests.support.lab import Lab


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
    assert not lab.results.exists()


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
