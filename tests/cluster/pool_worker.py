"""A Prefect worker of a work pool as a real process, whose child runs a test may kill."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

from tests.cluster.dask_processes import start
from tests.cluster.machines import HERE, Machine
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE


@contextmanager
def pool_worker(pool: str, folder: Path, machine: Machine = HERE) -> Iterator[psutil.Process]:
    """A process worker of a pool that has the deployment `infer_shards`. folder: for what Prefect reads."""
    pull = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
    entrypoint = "flows/runners/child_flow.py:infer_shards"
    own = {"name": pool, "entrypoint": entrypoint, "work_pool": {"name": pool}, "pull": [pull]}
    (folder / "prefect.yaml").write_text(yaml.safe_dump({"name": "assay", "deployments": [own]}))
    (folder / "flows").symlink_to(ROOT / "flows")
    _prefect(folder, "work-pool", "create", pool, "--type", "process", "--overwrite")
    _prefect(folder, "--no-prompt", "deploy", "--all")
    # It looks for work each second; its own 10 are for servers with more to do.
    quick = replace(machine, environment={**machine.environment, "PREFECT_WORKER_QUERY_SECONDS": "1"})
    process = start("prefect", "worker", "start", "--pool", pool, "--limit", "2", machine=quick)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def children(worker: psutil.Process) -> list[psutil.Process]:
    """The processes of child runs."""
    below = worker.children(recursive=True)
    return [one for one in below if any("prefect" in word for word in one.cmdline())]


def child_runs(pool: str) -> int:
    """How many there have been."""
    named = DeploymentFilter(name=DeploymentFilterName(any_=[pool]))
    with get_client(sync_client=True) as client:
        return client.count_flow_runs(deployment_filter=named)


def _prefect(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", *arguments]
    subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True
    )
