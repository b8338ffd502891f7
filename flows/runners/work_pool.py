"""Shards as child runs in a Prefect work pool; one that crashes is submitted again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from prefect import State
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Failed

from backends.errors import BackendError
from flows.common.errors import LostShard, SpecError
from flows.planning.prepared_requests import Piece
from flows.prefect_api.retrying import patient
from flows.runners import child_flow
from flows.runners.cluster import InferStep
from flows.specs.runner_text import Runner
from flows.steps.records import ShardResult
from flows.steps.run import RunAddress
from flows.steps.step import failure

# Child runs at a time, where nothing else is said: as many as a worker of a small machine may have.
CHILDREN = 2
# A shard that ends three children is what ends them.
TRIES = 3
# A child takes some seconds to start: a look each second does not hold it up, and costs the server little.
LOOK_SECONDS = 1


@dataclass(frozen=True, slots=True)
class PoolCluster:
    """The deployment `infer_shards/NAME`, up to `processes` runs of it at a time. scale: to start a child
    takes 3 to 6 s, so it gets eight times the usual shard."""

    pool: str
    processes: int
    scale: int = 8

    @property
    def at_once(self) -> int:
        return self.processes

    def infer(
        self, step: InferStep, run: RunAddress, pieces: Sequence[Piece], key: str
    ) -> State[ShardResult]:
        for number in range(1, TRIES + 1):
            try:
                child = self._child(
                    f"{run.start}-{key}-{number}",
                    child_flow.parameters(run, pieces, key),
                )
            except httpx.HTTPError as error:
                raise LostShard(f"no child run in {self.pool}: {error}") from error
            if child.state.is_completed():
                return _state(child_flow.read_outcome(child_flow.files_of(run), key))
            if not child.state.is_crashed():
                raise LostShard(f"{child.name} ended as {child.state.name}: {child.state.message}")
        raise LostShard(f"{step.task_run_name}: {TRIES} child runs in {self.pool} crashed")

    def try_out(self, function: Callable[..., str], *arguments: str) -> Mapping[str, str]:
        """Nothing: there is no process before the first child runs."""
        return {}

    def _child(self, mark: str, parameters: Mapping[str, object]) -> Any:
        """A child run that has ended. mark: by it a child is found again after the server was away."""
        return patient(
            run_deployment,
            _deployment(self.pool),
            parameters=dict(parameters),
            poll_interval=LOOK_SECONDS,
            idempotency_key=mark,
        )


@contextmanager
def connect(where: Runner, _shards_each: int) -> Iterator[PoolCluster]:
    """Raises SpecError where no server is configured, or it has no such deployment."""
    if not PREFECT_API_URL.value():
        raise SpecError("--runner: a work pool is on a Prefect server: set PREFECT_API_URL to its address")
    try:
        with get_client(sync_client=True) as client:
            client.read_deployment_by_name(_deployment(where.address))
    except ObjectNotFound as error:
        raise SpecError(
            f"--runner: there is no deployment {_deployment(where.address)}; deploy one to that work pool "
            "(docs/cluster.md)"
        ) from error
    except httpx.HTTPError as error:
        raise SpecError(f"--runner: no Prefect server answers at {PREFECT_API_URL.value()}") from error
    yield PoolCluster(where.address, where.whole("children", CHILDREN))


def _deployment(pool: str) -> str:
    return f"infer_shards/{pool}"


def _state(result: ShardResult | BackendError) -> State[ShardResult]:
    if isinstance(result, BackendError):
        return Failed(message=str(result), data=result)
    return failure(result) if result.failed else Completed(data=result)
