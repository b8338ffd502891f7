"""Where the shards of a run are asked, whatever the runner: in the flow's process, or on workers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from prefect.runtime import flow_run
from prefect.states import Crashed

from flows.common.errors import LostShard
from flows.planning import requests_file
from flows.planning.plan import Plan
from flows.reporting.reporter import reporter
from flows.runners.cluster import Cluster
from flows.runners.registry import connected
from flows.runners.shared_limits import shared_limits
from flows.specs.evaluation import EvaluationSpec
from flows.specs.runner_text import Runner
from flows.steps.infer import Piece
from flows.steps.step import Incomplete
from flows.steps.stop_mark import calling_off
from flows.steps.worker_context import Origin
from flows.storage.step_files import StepFiles


class Workers(Protocol):
    """at_once: how many shards are asked at a time, by how many processes. scale: how many times the usual
    size the shards are. patience: seconds to wait for those that are being asked when the run ends early."""

    @property
    def at_once(self) -> int: ...

    @property
    def processes(self) -> int: ...

    @property
    def scale(self) -> int: ...

    @property
    def patience(self) -> float: ...

    def infer(self, step: Any, pieces: Sequence[Piece], key: str) -> Any:
        """Have a shard asked by the step `infer`; its final state."""
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """The flow's own process. What was answered is stored long before its patience ends; a disk or a server
    that hangs is left alone, then."""

    spec: EvaluationSpec
    at_once: int = 1
    processes: int = 1
    scale: int = 1
    patience: float = 5.0

    def infer(self, step: Any, pieces: Sequence[Piece], key: str) -> Any:
        return step(spec=self.spec, pieces=pieces, key=key, return_state=True)


@dataclass(frozen=True, slots=True)
class OnCluster:
    """Other processes, which store what was answered by themselves. spec: as each of them has it, with its
    share of what an endpoint may be asked."""

    cluster: Cluster
    spec: EvaluationSpec
    origin: Origin
    at_once: int
    files: StepFiles
    patience: float = 0.0

    @property
    def processes(self) -> int:
        return self.cluster.processes

    @property
    def scale(self) -> int:
        return self.cluster.scale

    def infer(self, step: Any, pieces: Sequence[Piece], key: str) -> Any:
        given = {"spec": self.spec, "pieces": pieces, "key": key, "origin": self.origin}
        try:
            state = self.cluster.run(step, given)
        except LostShard as error:
            return Crashed(message=str(error), data=error)
        if state.name != "Cached":
            self._report(pieces, state.result(raise_on_failure=False))
        return state

    def _report(self, pieces: Sequence[Piece], result: Any) -> None:
        """Tell whoever watches the run of a shard that was asked where nobody watches."""
        if isinstance(result, Incomplete):
            result = result.done
        if isinstance(result, Exception):
            return
        for piece in pieces:
            of_task = result[piece.task]
            share = of_task["seconds"] / self.at_once
            for kind, count in requests_file.kinds(
                self.files.fetch(piece.files["requests"]), piece.rows
            ).items():
                if of_task["asked"]:
                    reporter().answered(kind, count, share)
                else:
                    reporter().reused(kind, count)


@contextmanager
def workers_of(plan: Plan) -> Iterator[Workers]:
    """The workers of a run, within its flow. Raises SpecError where they cannot be had."""
    if Runner.parse(plan.spec.runner).is_local:
        yield Here(plan.spec, plan.backend.capabilities.shards_at_once)
        return
    with connected(plan) as cluster:
        spec, most = shared_limits(plan, cluster.processes)
        origin = Origin.of(plan, f"{flow_run.id}-{flow_run.run_count}")
        with calling_off(plan.steps, origin.run):
            yield OnCluster(cluster, spec, origin, min(most, cluster.at_once), plan.steps)
