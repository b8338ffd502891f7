"""Where the shards of a run are asked, whatever the runner: in the flow's process, or on workers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, cast

from prefect import State
from prefect.runtime import flow_run
from prefect.states import Crashed

from backends.stop_sign import StopSign
from flows.common.errors import LostShard
from flows.planning.prepared_requests import Piece, PreparedRequests
from flows.runners.cluster import Cluster, InferStep
from flows.runners.registry import connected
from flows.runners.shared_limits import shared_limits
from flows.specs.runner_text import Runner
from flows.steps.records import ShardResult
from flows.steps.run import Run, RunAddress
from flows.steps.stop_mark import calling_off


class Workers(Protocol):
    """at_once: how many shards are asked at a time, by how many processes. scale: how many times the usual
    size the shards are. patience: seconds to wait for those that are being asked when the run ends early.
    stop: set then."""

    @property
    def at_once(self) -> int: ...

    @property
    def processes(self) -> int: ...

    @property
    def scale(self) -> int: ...

    @property
    def patience(self) -> float: ...

    @property
    def stop(self) -> StopSign: ...

    def infer(self, step: InferStep, pieces: Sequence[Piece], key: str) -> State[ShardResult]:
        """Have a shard asked by the step `infer`; its final state."""
        ...


@dataclass(frozen=True, slots=True)
class FlowProcess:
    """The flow's own process. What was answered is stored long before its patience ends; a disk or a server
    that hangs is left alone, then."""

    run: Run
    at_once: int = 1
    processes: int = 1
    scale: int = 1
    patience: float = 5.0
    stop: StopSign = field(default_factory=StopSign)

    def infer(self, step: InferStep, pieces: Sequence[Piece], key: str) -> State[ShardResult]:
        state = step(run=self.run, pieces=pieces, key=key, stop=self.stop, return_state=True)
        return cast(State[ShardResult], state)  # which its type does not say for parameters of any kind


@dataclass(frozen=True, slots=True)
class OnCluster:
    """Other processes, which store what was answered by themselves. address: of the run, as each of them has
    it, with its share of what an endpoint may be asked."""

    run: Run
    cluster: Cluster
    address: RunAddress
    at_once: int
    patience: float = 0.0
    stop: StopSign = field(default_factory=StopSign)

    @property
    def processes(self) -> int:
        return self.cluster.processes

    @property
    def scale(self) -> int:
        return self.cluster.scale

    def infer(self, step: InferStep, pieces: Sequence[Piece], key: str) -> State[ShardResult]:
        try:
            state = self.cluster.infer(step, self.address, pieces, key)
        except LostShard as error:
            return Crashed(message=str(error), data=error)
        result = state.result(raise_on_failure=False)
        if state.name != "Cached" and isinstance(result, ShardResult):
            self._report(pieces, result)
        return state

    def _report(self, pieces: Sequence[Piece], result: ShardResult) -> None:
        """Tell whoever watches the run of a shard that was asked where nobody watches."""
        for piece in pieces:
            share = result.done[piece.task]
            for kind, count in PreparedRequests.of(self.run.plan, piece).kinds.items():
                if share.asked:
                    self.run.reporter.answered(kind, count, share.seconds / self.at_once)
                else:
                    self.run.reporter.reused(kind, count)


@contextmanager
def workers_of(run: Run) -> Iterator[Workers]:
    """The workers of a run, within its flow. Raises SpecError where they cannot be had."""
    plan = run.plan
    if Runner.parse(plan.spec.runner).is_local:
        yield FlowProcess(run, plan.backend.capabilities.shards_at_once)
        return
    with connected(plan) as cluster:
        spec, most = shared_limits(plan, cluster.processes)
        address = RunAddress.of(plan, f"{flow_run.id}-{flow_run.run_count}", spec)
        with calling_off(plan.steps, address.start):
            yield OnCluster(run, cluster, address, min(most, cluster.at_once))
