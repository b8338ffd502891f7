"""Asking the model: a bundle's requests in shards, of an endpoint several at once."""

from collections.abc import Iterable, Sequence, Set
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field

from backends.stop_sign import Stopped
from backends.store.leases import Others
from flows.pipeline.questions_under_way import QuestionsUnderWay, wait_for, wait_for_runs
from flows.pipeline.step_calls import StepCalls
from flows.planning import step_keys
from flows.planning.plan import Plan
from flows.planning.prepared_requests import Piece, PreparedRequests, PreparedTask, cut_pieces
from flows.planning.shard_sizes import cut_shards
from flows.runners.workers import FlowProcess, Workers
from flows.steps.infer import infer
from flows.steps.records import ShardResult, TaskShare
from flows.steps.run import Run


@dataclass(frozen=True, slots=True)
class ShardInFlight:
    """tasks: which have requests in it. result: to come; an error where it failed as a whole."""

    tasks: Sequence[str]
    result: "Future[ShardResult | Exception]"


@dataclass(frozen=True, slots=True)
class Shards:
    """Asks the shards of a run. executor: the threads that they are asked in."""

    run: Run
    steps: StepCalls
    executor: Executor
    workers: Workers
    under_way: QuestionsUnderWay = field(default_factory=QuestionsUnderWay)

    @property
    def plan(self) -> Plan:
        return self.run.plan

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
        """Ask a shard; may run in a thread of its own. What another shard or run is asking is left to that
        one, and asked here only where no answer has come of it."""
        left, found = [PreparedRequests.of(self.plan, piece) for piece in pieces], ShardResult({})
        while left:
            if self.workers.stop.is_set():
                raise Stopped
            missing: set[str] = set().union(*(one.missing() for one in left))
            if found.done and not missing:
                return found + self._reused(left)
            with self.under_way.asking(missing) as others, self._leased(missing - others.keys()) as runs:
                left_to_others = {*others, *runs}
                own = [part for one in left if (part := one.without(left_to_others)).piece.rows]
                if own:
                    result = self._infer(name, own, is_answered=not missing)
                    if isinstance(result, Exception):
                        return result
                    found += result
            wait_for(set(others.values()), self.workers.stop)
            wait_for_runs(
                self.plan.store.leases, set(runs.values()), self.workers.stop, self.run.reporter.say
            )
            left = [part for one in left if (part := one.only(left_to_others)).piece.rows]
        return found

    def _leased(self, missing: Set[str]) -> AbstractContextManager[Others]:
        """A block in which no other run on this store asks for these answers, but for those that it gives."""
        if not missing or self.plan.spec.answers_from is not None:
            return nullcontext({})
        return self.plan.store.leases.held(missing)

    def _infer(
        self, name: str, requests: Sequence[PreparedRequests], *, is_answered: bool
    ) -> ShardResult | Exception:
        """What the step gives. No worker is started for answers that are there."""
        asked = step_keys.key_of({"requests": [one.digests for one in requests]})
        key = step_keys.infer_key(self.plan, asked)
        workers = FlowProcess(self.run, stop=self.workers.stop) if is_answered else self.workers
        step = self.steps.named(infer, name, refresh=not is_answered)
        state = workers.infer(step, [one.piece for one in requests], key)
        result: ShardResult | Exception = state.result(raise_on_failure=False)
        is_cached = state.name == "Cached" and isinstance(result, ShardResult)
        return self._reused(requests) if is_cached else result

    def _reused(self, requests: Iterable[PreparedRequests]) -> ShardResult:
        """Requests whose answers are in the store, which no step has told whoever watches."""
        done = {}
        for one in requests:
            for kind, count in one.kinds.items():
                self.run.reporter.reused(kind, count)
            done[one.piece.task] = TaskShare(len(set(one.keys)), 0, 0.0)
        return ShardResult(done)
