"""Asking the model: a bundle's requests in shards, of an endpoint several at once."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from contextvars import copy_context
from dataclasses import dataclass, replace

from backends.stop import Stopped
from flows.pipeline.step_calls import StepCalls
from flows.planning import step_keys
from flows.planning.plan import Plan, cut_shards
from flows.planning.prepared_requests import Piece, PreparedRequests, PreparedTask, cut_pieces
from flows.reporting.reporter import reporter
from flows.runners.workers import FlowProcess, Workers
from flows.steps.infer import infer
from flows.steps.records import ShardResult


@dataclass(frozen=True, slots=True)
class ShardInFlight:
    """tasks: which have requests in it. result: to come; an error where it failed as a whole."""

    tasks: Sequence[str]
    result: "Future[ShardResult | Exception]"


@dataclass(frozen=True, slots=True)
class Shards:
    """Asks the shards of a run. executor: the threads that they are asked in."""

    plan: Plan
    steps: StepCalls
    executor: Executor
    workers: Workers

    def submit(self, label: str, prepared: Sequence[PreparedTask]) -> list[ShardInFlight]:
        """Have the requests of a bundle asked."""
        requests = sum(one.requests for one in prepared)
        shards = cut_shards(requests, len(self.plan.bundles), self.workers.processes, self.workers.scale)
        in_flight = []
        for number, shard in enumerate(shards if prepared else (), start=1):
            pieces = cut_pieces(prepared, shard)
            name = f"infer {label} {number}/{len(shards)}"
            result = self.executor.submit(copy_context().run, self._ask, name, pieces)
            in_flight.append(ShardInFlight([piece.task for piece in pieces], result))
        return in_flight

    def _ask(self, name: str, pieces: Sequence[Piece]) -> ShardResult | Exception:
        """Ask a shard; may run in a thread of its own. No worker is started for answers that are there."""
        if self.workers.stop.is_set():
            raise Stopped
        requests = [PreparedRequests.of(self.plan, piece) for piece in pieces]
        key = step_keys.infer_key(
            self.plan, step_keys.key_of({"requests": [one.digests for one in requests]})
        )
        is_answered = not any(one.missing() for one in requests)
        workers = FlowProcess(self.plan.spec) if is_answered else self.workers
        state = workers.infer(self.steps.named(infer, name, refresh=not is_answered), pieces, key)
        result: ShardResult | Exception = state.result(raise_on_failure=False)
        if state.name != "Cached" or isinstance(result, Exception):
            return result
        for one in requests:
            for kind, count in one.kinds.items():
                reporter().reused(kind, count)
        return ShardResult({task: replace(own, asked=0, seconds=0.0) for task, own in result.done.items()})
