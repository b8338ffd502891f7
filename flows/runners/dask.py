"""Shards on the workers of a Dask cluster: one that is there, or one of this machine for the run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import dask.config
import distributed
from distributed.client import ClosedClientError
from prefect import State
from prefect_dask import DaskTaskRunner

from flows.common.errors import LostShard, SpecError
from flows.planning.prepared_requests import Piece
from flows.runners.cluster import InferStep
from flows.runners.silent_workers import leaving_silent_workers
from flows.specs.runner_text import Runner
from flows.steps.records import ShardResult
from flows.steps.run import RunAddress

# A scheduler that is there answers at once; its first worker may have to be started by a batch system.
CONNECT_SECONDS = 10
WORKER_SECONDS = 60
# Of a cluster for one run: enough to try it, and no more than a laptop stands.
WORKERS = 2
# Dask's profiler looks at all threads a hundred times a second, which CPython 3.11 does not always survive.
CONFIGURATION = {"distributed.worker.profile.enabled": False}


class DaskCluster:
    """A scheduler that is connected to, and the workers that it had then.

    shards_each: how many shards one process may work on at a time; a worker with fewer threads does fewer.
    """

    scale = 1

    def __init__(self, runner: DaskTaskRunner, shards_each: int) -> None:
        self._runner = runner
        threads = runner.client.nthreads().values()
        self.processes = len(threads)
        # One more each, which waits at the worker, so that no worker waits for the run's process.
        self.at_once = sum(min(own, shards_each) + 1 for own in threads)

    def infer(
        self, step: InferStep, run: RunAddress, pieces: Sequence[Piece], key: str
    ) -> State[ShardResult]:
        parameters = {"run": run, "pieces": pieces, "key": key}
        try:
            state: State[ShardResult] = self._runner.submit(step, parameters).wrapped_future.result()
            return state
        except distributed.KilledWorker as error:
            raise LostShard(
                f"Dask gave a shard up: {error.allowed_failures + 1} workers died while they asked it, "
                f"the last at {error.last_worker.address}"
            ) from error
        except (distributed.CancelledError, ClosedClientError) as error:
            raise LostShard(
                "the Dask scheduler was lost; what was answered is kept, start the run again when it is back"
            ) from error

    def try_out(self, function: Callable[..., str], *arguments: str) -> Mapping[str, str]:
        said: Mapping[str, str] = self._runner.client.run(function, *arguments)
        return said


@contextmanager
def connect(where: Runner, shards_each: int) -> Iterator[DaskCluster]:
    """Raises SpecError where no scheduler answers, or has no worker."""
    with dask.config.set(CONFIGURATION), _runner(where, shards_each) as runner:
        try:
            client = runner.client
        except OSError as error:
            raise SpecError(
                f"--runner: no Dask scheduler answers at {where.address}: start it with "
                "`dask scheduler`, or see to the address"
            ) from error
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise SpecError(
                f"--runner: the Dask scheduler at {where.address} has no worker: start some "
                f"with `dask worker {where.address}`"
            ) from error
        with leaving_silent_workers(client):
            yield DaskCluster(runner, shards_each)


def _runner(where: Runner, shards_each: int) -> DaskTaskRunner:
    if where.address != "local":
        return DaskTaskRunner(address=where.address, client_kwargs={"timeout": CONNECT_SECONDS})
    workers = where.whole("workers", WORKERS)
    own = {"n_workers": workers, "threads_per_worker": shards_each, "dashboard_address": "127.0.0.1:0"}
    return DaskTaskRunner(cluster_class=distributed.LocalCluster, cluster_kwargs=own)
