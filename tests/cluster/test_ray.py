"""Runs whose shards Ray's workers ask: the same numbers, also when one of them is killed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import psutil
import pytest

from flows.common.errors import SpecError
from tests.faults.test_endpoint_runs import AT_ONCE, chat, scores
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab
from tests.support.paths import ROOT
from tests.support.waiting import until


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A Ray of two workers on this machine."""
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    pytest.importorskip("prefect_ray", reason="needs the extra ray")
    folder = tempfile.mkdtemp(prefix="ray")  # a short path: sockets lie in it
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
        _temp_dir=folder,
        object_store_memory=100 * 2**20,
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
    )
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
def test_workers_ask_each_request_once_and_a_killed_one_changes_no_score(
    lab: Lab, tmp_path: Path, endpoint: Endpoint
) -> None:
    lab.add_texts("sums", 600)
    expected = scores(Lab(tmp_path / "other", beside=lab).evaluate("sums", chat(endpoint)))
    endpoint.reset()
    endpoint.change(latency=0.1)

    def kill_one() -> None:
        until(lambda: endpoint.counts()["arrived"] >= 200)
        asking[:] = _asking()
        asking[0].kill()

    asking: list[psutil.Process] = []
    killer = Thread(target=kill_one)
    killer.start()
    found = lab.evaluate("sums", chat(endpoint, timeout=5), runner="ray:auto")
    killer.join()
    assert asking
    assert scores(found) == expected
    counts = endpoint.counts()
    assert counts["distinct_answered"] == 600
    assert 0 < counts["arrived"] - 600 <= AT_ONCE / 2 * 1.5


@pytest.mark.usefixtures("ray")
def test_a_cluster_without_the_gpus_that_are_wanted_is_refused(lab: Lab) -> None:
    lab.add_texts("sums", 3)
    with pytest.raises(SpecError, match="no room for a worker with gpus=1"):
        lab.evaluate("sums", runner="ray:auto?gpus=1")
    assert lab.asked == 0


@pytest.mark.slow
def test_a_ray_that_is_not_there_is_said_in_one_line(lab: Lab) -> None:
    pytest.importorskip("prefect_ray", reason="needs the extra ray")
    lab.add_texts("sums", 3)
    ended = lab.run("--runner=ray://127.0.0.1:1", tasks="sums")
    assert ended.status == 2
    assert ended.errors.strip().splitlines()[-1].startswith("error: --runner: no Ray answers at ray://127.0")
    assert lab.asked == 0


def _asking() -> list[psutil.Process]:
    """The processes that have a shard."""
    return [
        process
        for process in psutil.Process(os.getpid()).children(recursive=True)
        if process.cmdline()[:1] == ["ray::infer"]
    ]
