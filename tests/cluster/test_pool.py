"""Runs whose shards are child runs in a work pool, with a real worker; children may be killed."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows.common.errors import SpecError
from tests.cluster.interrupted import check_that_calls_end
from tests.cluster.pool_worker import children, pool_worker
from tests.faults.test_endpoint_runs import AT_ONCE, chat, scores
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab, finish
from tests.support.waiting import until

POOL = "children-of-tests"


@pytest.fixture
def worker(prefect_server: str, tmp_path: Path) -> Iterator[psutil.Process]:
    """A process worker of a pool that has the deployment."""
    with pool_worker(POOL, tmp_path) as process:
        yield process


@pytest.mark.slow
def test_a_child_that_is_killed_is_submitted_again_and_changes_no_score(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, worker: psutil.Process
) -> None:
    lab.add_texts("sums", 1100)
    expected = scores(Lab(tmp_path / "other", beside=lab).evaluate("sums", chat(endpoint)))
    endpoint.reset()
    endpoint.change(latency=0.1)
    process = lab.start(f"--runner=pool:{POOL}", tasks="sums", model=chat(endpoint, timeout=5))
    assert until(lambda: endpoint.counts()["arrived"] >= 200, process)
    children(worker)[0].kill()
    ended = finish(process)
    assert ended.status == 0, ended.errors
    assert lab.last["results"] == expected
    counts = endpoint.counts()
    assert counts["distinct_answered"] == 1100
    assert 0 < counts["arrived"] - 1100 <= AT_ONCE / 2 * 1.5
    assert counts["most_in_flight"] <= AT_ONCE


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_children_of_a_run_that_is_interrupted_stop_within_seconds(lab: Lab, endpoint: Endpoint) -> None:
    lab.add_texts("sums", 1100)
    endpoint.change(latency=0.2)
    model = chat(endpoint, max_concurrency=4, timeout=5)
    check_that_calls_end(lab, endpoint, f"pool:{POOL}", model)


def test_a_pool_without_the_deployment_is_said_in_one_line(lab: Lab) -> None:
    lab.add_texts("sums", 3)
    with pytest.raises(SpecError, match="there is no deployment infer_shards/no-such-pool; deploy one"):
        lab.evaluate("sums", runner="pool:no-such-pool")
    assert lab.asked == 0
