"""Shards on the workers of a Ray cluster: the one of this machine, or one elsewhere through Ray's client."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from prefect import State
from prefect_ray import RayTaskRunner
from prefect_ray.context import remote_options

from flows.common.errors import LostShard, SpecError
from flows.planning.prepared_requests import Piece
from flows.runners.cluster import InferStep
from flows.specs.runner_text import Runner
from flows.steps.records import ShardResult
from flows.steps.run import RunAddress


class RayCluster:
    """A Ray that is connected to. Its processes take one shard at a time, each with the same resources."""

    scale = 1

    def __init__(self, runner: RayTaskRunner[Any], where: Runner) -> None:
        self._runner = runner
        self._gpus = where.options.get("gpus", 0)
        room = _room(self._gpus)
        if room < 1:
            raise SpecError(f"--runner: the Ray cluster has no room for a worker with gpus={self._gpus:g}")
        self.processes = self.at_once = min(where.whole("workers", room), room)

    def infer(
        self, step: InferStep, run: RunAddress, pieces: Sequence[Piece], key: str
    ) -> State[ShardResult]:
        parameters = {"run": run, "pieces": pieces, "key": key}
        # Ray ends a process that had a GPU after one task, unless told otherwise; ours keeps its model.
        with remote_options(num_gpus=self._gpus, max_calls=0):
            future = self._runner.submit(step, parameters)
        try:
            state: State[ShardResult] = ray.get(future.wrapped_future)
        except ray.exceptions.RayError as error:
            raise LostShard(f"Ray gave a shard up: {str(error).splitlines()[0]}") from error
        return state

    def try_out(self, function: Callable[..., str], *arguments: str) -> Mapping[str, str]:
        try:
            return {"of one": ray.get(ray.remote(function).remote(*arguments))}
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error


@contextmanager
def connect(where: Runner, _shards_each: int) -> Iterator[RayCluster]:
    """Raises SpecError where no Ray answers. One that this process has been connected to stays so."""
    is_own = not ray.is_initialized()
    if is_own:
        _init(where.address)
    try:
        with RayTaskRunner() as runner:
            yield RayCluster(runner, where)
    finally:
        if is_own:
            ray.shutdown()


def _init(address: str) -> None:
    try:
        ray.init(address, namespace="assay", log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, OSError, RuntimeError) as error:
        raise SpecError(
            f"--runner: no Ray answers at {address}: start one with `ray start --head`, or see to the address"
        ) from error


def _room(gpus: float) -> int:
    """How many workers the cluster holds, each of a CPU and so many GPUs."""
    has = ray.cluster_resources()
    return int(min(has.get("CPU", 0), has.get("GPU", 0) / gpus if gpus else float("inf")))
