"""Runs whose shards Dask's workers ask: the same numbers, and no answer asked for twice."""

from pathlib import Path

import pytest

from flows.errors import SpecError
from tests.cluster.dask_processes import DaskProcesses, kill
from tests.endpoints.endpoint import Endpoint
from tests.faults.lab import PATIENCE, Lab, finish, wait_until
from tests.faults.test_endpoint_runs import chat, scores


def test_workers_ask_each_request_once_and_score_as_one_process_does(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, dask: DaskProcesses
) -> None:
    lab.add_texts("sums", 300)
    lab.add_texts("more", 40)
    expected = scores(Lab(tmp_path / "other", beside=lab).evaluate("sums,more", chat(endpoint)))
    endpoint.reset()
    found = lab.evaluate("sums,more", chat(endpoint), runner=dask.runner)
    assert scores(found) == expected
    counts = endpoint.counts()
    assert (counts["distinct_answered"], counts["most_answers"]) == (340, 1)
    assert found.results["assay"]["requests_asked"] == 340
    again = lab.evaluate("sums,more", chat(endpoint), runner=dask.runner)
    assert scores(again) == expected
    assert again.results["assay"]["requests_asked"] == 0
    assert endpoint.counts()["arrived"] == counts["arrived"]
