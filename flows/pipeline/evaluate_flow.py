"""The Prefect flow of an evaluation: prepare, infer and score each task, then persist the results.

The steps of one task follow one another; tasks do not wait for each other: while the model answers one, the
next are prepared and those before are scored. A task that fails takes none with it. A model behind an
endpoint works on several shards at once (`flows.runners.threads`), so that none waits for the last answers of
another.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from logging import ERROR
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, cast

from prefect import flow, get_run_logger
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from backends.errors import BackendStopped
from backends.identity import request_key
from backends.stop import check_going_on
from flows.common.errors import USER_ERRORS
from flows.pipeline import pausing
from flows.pipeline.readiness import ready
from flows.planning import cache_explanation, requests_file, step_keys
from flows.planning.estimate import estimate
from flows.planning.plan import Plan, cut_shards, plan_for
from flows.planning.spent_before import count_stored
from flows.prefect_api.step_records import StepRecords, result_storage
from flows.reporting import run_log
from flows.reporting.machine_usage import ResourceSampler
from flows.reporting.prefect_artifacts import showing
from flows.reporting.reporter import Reporter, logging_to, reporter
from flows.results.run_folder import RunFolder
from flows.runners.threads import lanes
from flows.runners.workers import Here, Workers, workers_of
from flows.specs.evaluation import EvaluationSpec
from flows.steps import account_limit
from flows.steps.infer import Piece, cut_pieces, infer
from flows.steps.load_model import load_model
from flows.steps.persist import persist
from flows.steps.prepare import prepare
from flows.steps.publish import publish_all
from flows.steps.score import score
from flows.steps.step import BudgetSpent, Incomplete, References
from tasks_lib.errors import TaskError


@flow(
    name="evaluate",
    flow_run_name="evaluate {spec.model.name}",
    task_runner=cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=1)),
)
def evaluate_flow(spec: EvaluationSpec) -> Any:
    """Evaluate the model on the tasks, and give the run's folder; ends as failed if a task failed.

    Raises what `flows.pipeline.readiness.ready` raises, and SpecError where Prefect lacks what the spec
    names. Where no progress is shown, the flow run's log says how it goes.
    """
    with logging_to(get_run_logger):
        return _evaluate(pausing.resumed(spec))


def _evaluate(spec: EvaluationSpec) -> Any:
    if spec.estimate:
        reporter().say(estimate(spec).text())
        return Completed(message="Nothing was asked; the log has the estimate")
    account_limit.check(spec)
    plan = ready(plan_for(spec))
    folder = RunFolder.create(plan.spec.output, plan.spec.model, plan.spec.written())
    run_log.note_start(plan, folder)
    with showing(plan), workers_of(plan) as workers, lanes(workers.at_once, workers.patience) as asking:
        evaluation = Evaluation(plan, folder, result_storage(plan.steps.finished), asking, workers)
        evaluation.run()
    run_log.note_end(spec, folder)
    unpublished = publish_all(spec.sinks, folder.path)
    if evaluation.failed:
        return Failed(message=run_log.failure(evaluation.failed), data=str(folder.path))
    if unpublished:  # which costs the run nothing, but should be seen
        said = f"scored, but not published: {', '.join(unpublished)}"
        return Completed(name="NotPublished", message=said, data=str(folder.path))
    return str(folder.path)


@dataclass
class Evaluation:
    """One run of the flow, with what has come of each task so far."""

    plan: Plan
    run_folder: RunFolder
    records: Path | StepRecords
    asking: Executor
    workers: Workers
    scored: References = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, list[dict[str, str]]] = field(default_factory=lambda: defaultdict(list))
    asked: int = 0
    reused: int = 0
    seconds_asking: float = 0.0
    stopped: BackendStopped | BudgetSpent | None = None

    def run(self) -> None:
        started, clock = datetime.now(UTC), monotonic()
        model = self._call(load_model, "load_model", key=step_keys.model_key(self.plan)).result()
        with ResourceSampler() as resources:
            self._evaluate()
        if self.stopped is not None and self.plan.spec.on_stop == "pause":
            pausing.pause(self.plan.spec, self.stopped)
        facts = {
            "started": started.isoformat(),
            "seconds": round(monotonic() - clock, 3),
            "seconds_asking": round(self.seconds_asking, 3),
            "requests_asked": self.asked,
            "requests_reused": self.reused,
            "resources": resources.summary(),
        }
        persist(self.plan.spec, str(self.run_folder.path), model, self.scored, self.failed, facts)
        reporter().persisted(self.run_folder.path)

    def _evaluate(self) -> None:
        preparing = {bundle: self._prepare(bundle) for bundle in self.plan.bundles}
        if self.plan.budget is not None:  # which must be known to hold before anything is asked
            prepared = [self._references(bundle, step) for bundle, step in preparing.items()]
            count_stored(self.plan, self.plan.budget, (one for own in prepared for one in own.items()))
        asking: deque[Asking] = deque()
        scoring: dict[tuple[str, ...], Submitted] = {}
        for bundle, step in preparing.items():
            asking.append(self._ask(bundle, step))
            while asking and asking[0].has_ended:
                self._answered(asking.popleft(), scoring)
        for asked in asking:
            self._answered(asked, scoring)
        for bundle, step in scoring.items():
            self._collect(bundle, step)

    # A bundle's way through the steps

    def _prepare(self, bundle: Sequence[str]) -> "Submitted":
        tasks = {name: key for name in bundle if (key := self._prepare_key(name))}
        step = self._submit(prepare, f"prepare {_label(bundle)}", tasks=tasks, key=step_keys.key_of(tasks))
        step.future.add_done_callback(partial(_count_prepared, reporter()))
        return step

    def _ask(self, bundle: Sequence[str], preparing: "Submitted") -> "Asking":
        """Put the bundle's requests to the model."""
        reporter().working_on(_label(bundle))
        prepared = self._references(bundle, preparing)
        if self.plan.spec.explain_cache:
            for name, reference in prepared.items():
                self._explain(name, reference)
        requests = sum(one["requests"] for one in prepared.values())
        shards = cut_shards(requests, len(self.plan.bundles), self.workers.processes, self.workers.scale)
        asked = []
        for number, shard in enumerate(shards if prepared else (), start=1):
            name, pieces = f"infer {_label(bundle)} {number}/{len(shards)}", cut_pieces(prepared, shard)
            asked.append((pieces, self.asking.submit(copy_context().run, self._infer, name, pieces)))
        return Asking(bundle, prepared, asked)

    def _infer(self, name: str, pieces: list[Piece]) -> Any:
        """The final state of the step that asks a shard; may run in a thread of its own. No worker is started
        for answers that are there."""
        check_going_on()
        digests = [requests_file.digests(self._requests(piece), piece.rows) for piece in pieces]
        key = step_keys.infer_key(self.plan, step_keys.key_of({"requests": digests}))
        is_answered = self._has_answers(digests)
        workers = Here(self.plan.spec) if is_answered else self.workers
        return workers.infer(self._named(infer, name, anew=not is_answered), pieces, key)

    def _answered(self, asked: "Asking", scoring: "dict[tuple[str, ...], Submitted]") -> None:
        """Take note of what the shards of a bundle gave, and have its tasks scored."""
        for pieces, shard in asked.shards:
            self._count(pieces, shard.result())
        answered = {name: one for name, one in asked.prepared.items() if name not in self.failed}
        if answered:
            gaps = {name: self.gaps[name] for name in answered if name in self.gaps}
            key = step_keys.score_key(
                self.plan, [one["key"] + one["digest"] for one in answered.values()], gaps
            )
            name = f"score {_label(asked.bundle)}"
            scoring[tuple(asked.bundle)] = self._submit(score, name, prepared=answered, gaps=gaps, key=key)
        for ended in [bundle for bundle, step in scoring.items() if step.has_ended]:
            self._collect(ended, scoring.pop(ended))

    def _count(self, pieces: Sequence[Piece], state: Any) -> None:
        """Count what a shard took; a task without all answers has failed, unless some may be missing."""
        result = state.result(raise_on_failure=False)
        if isinstance(result, BackendStopped | BudgetSpent):
            self.stopped = result
        if isinstance(result, Incomplete):
            for task in result.failures:
                self.gaps[task].append(result.done[task]["files"]["unanswered"])
            if self.plan.spec.min_coverage == 1:
                self._note(result.failures)
            done = result.done
        else:
            done = self._outcome([piece.task for piece in pieces], state)
        is_cached = state.name == "Cached"
        if is_cached:
            for piece in pieces:
                for kind, count in requests_file.kinds(self._requests(piece), piece.rows).items():
                    reporter().reused(kind, count)
        asked = 0 if is_cached else sum(one["asked"] for one in done.values())
        self.asked += asked
        self.reused += sum(one["requests"] for one in done.values()) - asked
        self.seconds_asking += 0.0 if is_cached else sum(one["seconds"] for one in done.values())

    def _has_answers(self, digests: Sequence[Sequence[str]]) -> bool:
        """Whether the store, which may be an earlier copy of itself, has all answers to these requests."""
        wanted = {request_key(self.plan.model_key, digest) for own in digests for digest in own}
        return len(self.plan.store.has_many(list(wanted))) == len(wanted)

    def _collect(self, bundle: Sequence[str], scoring: "Submitted") -> None:
        """Put the samples of scored tasks into the run's folder."""
        scored = self._references(bundle, scoring)
        scores: dict[str, Path] = {}
        for name, reference in scored.items():
            files = self.plan.steps.fetch_all(reference["files"])
            self.run_folder.add_samples(name, files["samples"])
            self.run_folder.add_calls(name, files["calls"], self.plan.prices)
            cache_explanation.remember(self.plan, name)
            reporter().scored(name, files["scores"])
            scores[name] = files["scores"]
        run_log.note_scores(scores)
        self.scored |= scored

    def _requests(self, piece: Piece) -> Path:
        return self.plan.steps.fetch(piece.files["requests"])

    # Calling steps

    def _call(self, step: Any, name: str, *, anew: bool = False, **parameters: Any) -> Any:
        """Run a step here and now; its final state."""
        return self._named(step, name, anew)(spec=self.plan.spec, **parameters, return_state=True)

    def _submit(self, step: Any, name: str, **parameters: Any) -> "Submitted":
        future = self._named(step, name).submit(spec=self.plan.spec, **parameters)
        ended = Event()
        future.add_done_callback(lambda _: ended.set())
        return Submitted(future, partial(self._call, step, name, anew=True, **parameters), ended)

    def _named(self, step: Any, name: str, anew: bool = False) -> Any:
        return step.with_options(
            task_run_name=name.replace("{", "(").replace("}", ")"),
            result_storage=self.records,
            refresh_cache=anew,
        )

    def _references(self, bundle: Sequence[str], step: "Submitted") -> References:
        """What a step wrote; done again where the files of an earlier run are gone or damaged."""
        step.future.wait()
        found = self._outcome(bundle, step.future.state)
        return found if self.plan.steps.are_intact(found.values()) else self._outcome(bundle, step.again())

    def _outcome(self, bundle: Sequence[str], state: Any) -> References:
        """The references of a step that has ended; tasks that failed in it are noted."""
        result = state.result(raise_on_failure=False)
        if isinstance(result, Incomplete):
            self._note(result.failures)
            return result.done
        if isinstance(result, Exception):
            self._note({name: _reason(name, result) for name in bundle})
            return {}
        references: References = result
        return references

    def _note(self, failures: Mapping[str, str]) -> None:
        for name, reason in failures.items():
            if name not in self.failed:
                is_said = reason in self.failed.values()  # a model that is away fails all tasks alike
                reporter().say(f"failed: {name}, as above" if is_said else f"failed: {reason}", ERROR)
                self.failed[name] = reason

    def _prepare_key(self, task: str) -> str | None:
        """The key of a task's requests; None for one whose data cannot be found, which has failed by that."""
        try:
            return step_keys.key_of(step_keys.prepare_parts(self.plan, task))
        except TaskError as error:
            self._note({task: str(error)})
            return None

    def _explain(self, task: str, reference: Mapping[str, Any]) -> None:
        path, rows = self.plan.steps.fetch(reference["files"]["requests"]), range(reference["requests"])
        digests = requests_file.digests(path, rows)
        reporter().say(cache_explanation.explain(self.plan, task, digests))


@dataclass(frozen=True, slots=True)
class Asking:
    """A bundle whose shards are being asked. shards: what of the tasks is in each, and its state to come."""

    bundle: Sequence[str]
    prepared: References
    shards: Sequence[tuple[Sequence[Piece], "Future[Any]"]]

    @property
    def has_ended(self) -> bool:
        return all(shard.done() for _, shard in self.shards)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A step on its way. again: runs it here and now, whatever is cached; its final state."""

    future: PrefectFuture[Any]
    again: Callable[[], Any]
    ended: Event

    @property
    def has_ended(self) -> bool:
        return self.ended.is_set()


def _count_prepared(to: Reporter, future: PrefectFuture[Any]) -> None:
    """Tell a reporter what a prepare step that has ended adds to the work."""
    future.wait()
    result = future.state.result(raise_on_failure=False)
    if isinstance(result, Incomplete):
        result = result.done
    if not isinstance(result, Exception):
        for one in result.values():
            for kind, count in one["kinds"].items():
                to.prepared(kind, count)


def _reason(task: str, error: Exception) -> str:
    """What is said of a task whose step failed as a whole."""
    return str(error) if isinstance(error, USER_ERRORS) else f"{task}: {type(error).__name__}: {error}"


def _label(bundle: Sequence[str]) -> str:
    return bundle[0] if len(bundle) == 1 else f"{bundle[0]} and {len(bundle) - 1} more"
