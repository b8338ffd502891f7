"""One run of the flow: each bundle of tasks is prepared, asked and scored, while others are before and behind
it."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from logging import ERROR
from pathlib import Path
from time import monotonic

from prefect.futures import PrefectFuture

from backends.errors import BackendError, BackendStopped
from flows.common.errors import USER_ERRORS
from flows.pipeline import pausing
from flows.pipeline.shards import ShardInFlight, Shards
from flows.pipeline.step_calls import StepCalls, SubmittedStep
from flows.planning import cache_explanation, step_keys
from flows.planning.earlier_answers import note_answerers
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedTask
from flows.planning.spent_before import count_stored
from flows.reporting import run_log
from flows.reporting.machine_usage import ResourceSampler
from flows.reporting.reporter import Reporter
from flows.results.remarks import cost_lines
from flows.results.run_folder import RunFolder
from flows.steps.load_model import load_model
from flows.steps.persist import RunFacts, persist
from flows.steps.prepare import prepare
from flows.steps.records import (
    Prepared,
    Record,
    Scored,
    ScoredTask,
    ShardResult,
    StepResult,
    StoppedBy,
    WithFiles,
)
from flows.steps.run import Run
from flows.steps.score import score
from flows.steps.unscored_calls import add_unscored_calls, paid
from flows.storage.step_files import File
from tasks_lib.errors import TaskError

Bundle = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BundleInFlight:
    """A bundle whose shards are being asked."""

    bundle: Bundle
    prepared: Sequence[PreparedTask]
    shards: Sequence[ShardInFlight]

    @property
    def has_ended(self) -> bool:
        return all(shard.result.done() for shard in self.shards)


@dataclass
class Evaluation:
    """One run of the flow, with what has come of each task so far.

    unanswered: by task, the files that say what has no answer. stopped: what keeps the run from asking more.
    """

    run: Run
    run_folder: RunFolder
    steps: StepCalls
    shards: Shards
    asked: list[PreparedTask] = field(default_factory=list)
    scored: dict[str, ScoredTask] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, list[File]] = field(default_factory=lambda: defaultdict(list))
    requests_asked: int = 0
    requests_reused: int = 0
    seconds_asking: float = 0.0
    stopped: tuple[StoppedBy, str] | None = None

    @property
    def plan(self) -> Plan:
        return self.run.plan

    @property
    def reporter(self) -> Reporter:
        return self.run.reporter

    def execute(self) -> None:
        """All steps, from the model's description to the results."""
        started, clock = datetime.now(UTC), monotonic()
        model = self.steps.call(load_model, "load_model", key=step_keys.model_key(self.plan))
        if isinstance(model, Exception):
            raise model
        with ResourceSampler() as resources:
            self._evaluate()
        if self.stopped is not None and self.plan.spec.on_stop == "pause":
            pausing.pause(self.plan.spec, *self.stopped)
        facts = RunFacts(
            started=started.isoformat(),
            seconds=round(monotonic() - clock, 3),
            seconds_asking=round(self.seconds_asking, 3),
            requests_asked=self.requests_asked,
            requests_reused=self.requests_reused,
            resources=resources.summary(),
        )
        unscored = [one for one in self.asked if one.task not in self.scored]
        add_unscored_calls(self.run, self.run_folder, unscored, self.unanswered)
        persist(self.run, str(self.run_folder.path), model, self.asked, self.scored, self.failed, facts)
        self.reporter.persisted(self.run_folder.path)

    def say_paid(self) -> None:
        """Say what was paid, of a run that does not come to its end; nothing where the store is away."""
        with suppress(BackendError):
            cost = paid(self.run, self.asked, self.unanswered, self.seconds_asking)
            for line in cost_lines(cost, self.scored):
                self.reporter.say(line)

    def _evaluate(self) -> None:
        preparing = {bundle: self._prepare(bundle) for bundle in self.plan.bundles}
        if self.plan.budget is not None:  # which must be known to hold before anything is asked
            prepared = [self._prepared(bundle, step) for bundle, step in preparing.items()]
            count_stored(self.plan, self.plan.budget, (one for own in prepared for one in own))
        in_flight: deque[BundleInFlight] = deque()
        scoring: dict[Bundle, SubmittedStep[Scored]] = {}
        for bundle, step in preparing.items():
            in_flight.append(self._ask(bundle, self._prepared(bundle, step)))
            while in_flight and in_flight[0].has_ended:
                self._score(in_flight.popleft(), scoring)
        for asked in in_flight:
            self._score(asked, scoring)
        for bundle, scored in scoring.items():
            self._collect(bundle, scored)

    # Requests

    def _prepare(self, bundle: Bundle) -> SubmittedStep[Prepared]:
        tasks = {name: key for name in bundle if (key := self._prepare_key(name))}
        key = step_keys.key_of(tasks)
        step = self.steps.submit(prepare, f"prepare {_label(bundle)}", tasks=tasks, key=key)
        step.future.add_done_callback(partial(_count_prepared, self.reporter))
        return step

    def _prepare_key(self, task: str) -> str | None:
        """The key of a task's requests; None for one that lacks something, as its data, which has failed by
        that."""
        if task in self.plan.tasks.lacking:
            self._note({task: self.plan.tasks.lacking[task]})
            return None
        try:
            return step_keys.key_of(step_keys.prepare_parts(self.plan, task))
        except TaskError as error:
            self._note({task: str(error)})
            return None

    def _prepared(self, bundle: Bundle, step: SubmittedStep[Prepared]) -> list[PreparedTask]:
        """The tasks that are prepared."""
        return list(self._finished(bundle, step).values())

    # Answers

    def _ask(self, bundle: Bundle, prepared: Sequence[PreparedTask]) -> BundleInFlight:
        """Put the bundle's requests to the model."""
        self.reporter.working_on(_label(bundle))
        self.asked.extend(prepared)
        if self.plan.spec.explain_cache:
            for one in prepared:
                self.reporter.say(cache_explanation.explain(self.plan, one))
        note_answerers(self.plan, prepared)
        return BundleInFlight(bundle, prepared, self.shards.submit(_label(bundle), prepared))

    def _count(self, tasks: Sequence[str], result: ShardResult | Exception) -> None:
        """Count what a shard took; a task without all answers has failed, unless some may be missing."""
        if isinstance(result, BackendStopped):
            self.stopped = ("model", str(result))
        if isinstance(result, Exception):
            self._note({task: _reason(task, result) for task in tasks})
            return
        if result.stopped_by is not None:
            self.stopped = (result.stopped_by, "; ".join(result.failed.values()))
        if self.plan.spec.min_coverage == 1:
            self._note(result.failed)
        for task, share in result.done.items():
            self.requests_asked += share.asked
            self.requests_reused += share.requests - share.asked
            self.seconds_asking += share.seconds
            self.unanswered[task].extend(share.unanswered)

    # Scores

    def _score(self, asked: BundleInFlight, scoring: dict[Bundle, SubmittedStep[Scored]]) -> None:
        """Take note of what the shards of a bundle gave, and have its tasks scored."""
        for shard in asked.shards:
            self._count(shard.tasks, shard.result.result())
        answered = [one for one in asked.prepared if one.task not in self.failed]
        if answered:
            lacking = {one.task: self.unanswered[one.task] for one in answered if self.unanswered[one.task]}
            key = step_keys.score_key(self.plan, [one.key + one.digest for one in answered], lacking)
            name = f"score {_label(asked.bundle)}"
            scoring[asked.bundle] = self.steps.submit(
                score, name, prepared=answered, unanswered=lacking, key=key
            )
        for ended in [bundle for bundle, step in scoring.items() if step.has_ended]:
            self._collect(ended, scoring.pop(ended))

    def _collect(self, bundle: Bundle, scoring: SubmittedStep[Scored]) -> None:
        """Put the samples of scored tasks into the run's folder."""
        scores: dict[str, Path] = {}
        for name, one in self._finished(bundle, scoring).items():
            files = self.plan.steps.fetch_all(one.files)
            self.run_folder.add_samples(name, files["samples"])
            self.run_folder.add_calls(name, files["calls"], self.plan.prices)
            cache_explanation.save_identity(self.plan, name)
            self.reporter.scored(name, files["scores"])
            scores[name] = files["scores"]
            self.scored[name] = one
        run_log.note_scores(self.reporter, scores)

    # What steps gave

    def _finished(self, bundle: Bundle, step: SubmittedStep[StepResult[Record]]) -> Mapping[str, Record]:
        """What a step wrote for each task; done again where the files of an earlier run are gone or damaged.
        Tasks that failed in it are noted."""
        result = step.result()
        if not isinstance(result, Exception) and not self._are_intact(result.done.values()):
            result = step.again()
        if isinstance(result, Exception):
            self._note({name: _reason(name, result) for name in bundle})
            return {}
        self._note(result.failed)
        return result.done

    def _are_intact(self, records: Iterable[WithFiles]) -> bool:
        return self.plan.steps.are_intact(file for one in records for file in one.files.values())

    def _note(self, failed: Mapping[str, str]) -> None:
        for name, reason in failed.items():
            if name not in self.failed:
                is_said = reason in self.failed.values()  # a model that is away fails all tasks alike
                self.reporter.say(f"failed: {name}, as above" if is_said else f"failed: {reason}", ERROR)
                self.failed[name] = reason


def _count_prepared(to: Reporter, future: PrefectFuture[object]) -> None:
    """Tell a reporter what a prepare step that has ended adds to the work."""
    future.wait()
    result = future.state.result(raise_on_failure=False)
    if isinstance(result, Prepared):
        for one in result.done.values():
            for kind, count in one.kinds.items():
                to.prepared(kind, count)


def _reason(task: str, error: Exception) -> str:
    """What is said of a task whose step failed as a whole."""
    return str(error) if isinstance(error, USER_ERRORS) else f"{task}: {type(error).__name__}: {error}"


def _label(bundle: Bundle) -> str:
    return bundle[0] if len(bundle) == 1 else f"{bundle[0]} and {len(bundle) - 1} more"
