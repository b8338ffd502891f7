"""The Prefect flow of an evaluation: prepare, infer and score each task, then persist the results.

The steps of one task follow one another; tasks do not wait for each other: while the model answers one, the
next are prepared and those before are scored. A task that fails takes none with it.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, cast

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.states import Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows import explain, keys
from flows.errors import USER_ERRORS
from flows.plan import Plan, cut_shards, plan_for
from flows.progress import reporter
from flows.results.run_folder import RunFolder
from flows.spec import EvaluationSpec
from flows.steps import requests_file
from flows.steps.infer import Piece, infer
from flows.steps.load_model import load_model
from flows.steps.persist import persist
from flows.steps.prepare import prepare
from flows.steps.score import score
from flows.steps.step import Incomplete, References, exists
from tasks_lib.errors import TaskError


@flow(
    name="evaluate",
    flow_run_name="evaluate {spec.model.name}",
    task_runner=cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=1)),
)
def evaluate_flow(spec: EvaluationSpec, folder: str) -> Any:
    """Evaluate and write the results into the run's folder; ends as failed if a task failed."""
    evaluation = Evaluation(plan_for(spec), RunFolder(Path(folder)))
    evaluation.run()
    if evaluation.failed:
        return Failed(message=f"failed tasks: {', '.join(evaluation.failed)}")
    return folder


@dataclass
class Evaluation:
    """One run of the flow, with what has come of each task so far."""

    plan: Plan
    run_folder: RunFolder
    scored: References = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    reused: int = 0

    def run(self) -> None:
        started, clock = datetime.now(UTC), monotonic()
        self._call(load_model, "load_model", key=keys.key_of({"model": self.plan.model_key}))
        preparing = [self._prepare(bundle) for bundle in self.plan.bundles]
        scoring = [
            self._ask(bundle, future) for bundle, future in zip(self.plan.bundles, preparing, strict=True)
        ]
        for bundle, future in zip(self.plan.bundles, scoring, strict=True):
            self._collect(bundle, future)
        facts = {
            "started": started.isoformat(),
            "seconds": round(monotonic() - clock, 3),
            "requests_asked": self.asked,
            "requests_reused": self.reused,
        }
        persist(self.plan.spec, str(self.run_folder.path), self.scored, self.failed, facts)

    # A bundle's way through the steps

    def _prepare(self, bundle: Sequence[str]) -> PrefectFuture[Any]:
        tasks = {name: self._prepare_key(name) for name in bundle}
        return self._submit(prepare, f"prepare {_label(bundle)}", tasks=tasks, key=keys.key_of(tasks))

    def _ask(self, bundle: Sequence[str], preparing: PrefectFuture[Any]) -> PrefectFuture[Any] | None:
        """Put the bundle's requests to the model; the future of its scores."""
        reporter().working_on(_label(bundle))
        preparing.wait()
        prepared = self._outcome(bundle, preparing.state)
        if not exists(prepared):
            tasks = {name: self._prepare_key(name) for name in prepared}
            again = self._call(
                prepare, f"prepare {_label(bundle)}", anew=True, tasks=tasks, key=keys.key_of(tasks)
            )
            prepared = self._outcome(bundle, again)
        for name, reference in prepared.items():
            reporter().prepared(reference["kind"], reference["requests"])
            if self.plan.spec.explain_cache:
                self._explain(name, reference)
        shards = cut_shards(sum(one["requests"] for one in prepared.values()), len(self.plan.bundles))
        for number, shard in enumerate(shards if prepared else (), start=1):
            self._infer(f"infer {_label(bundle)} {number}/{len(shards)}", _pieces(prepared, shard), prepared)
        answered = {name: one for name, one in prepared.items() if name not in self.failed}
        if not answered:
            return None
        key = keys.score_key(self.plan, [one["key"] + one["digest"] for one in answered.values()])
        return self._submit(score, f"score {_label(bundle)}", prepared=answered, key=key)

    def _infer(self, name: str, pieces: list[Piece], prepared: References) -> None:
        digests = [requests_file.digests(Path(piece.path), piece.rows) for piece in pieces]
        key = keys.infer_key(self.plan, keys.key_of({"requests": digests}))
        state = self._call(infer, name, pieces=pieces, key=key)
        done = self._outcome([piece.task for piece in pieces], state)
        is_cached = state.name == "Cached"
        for piece in pieces:
            if is_cached:
                reporter().reused(prepared[piece.task]["kind"], len(piece.rows))
        asked = 0 if is_cached else sum(one["asked"] for one in done.values())
        self.asked += asked
        self.reused += sum(one["requests"] for one in done.values()) - asked

    def _collect(self, bundle: Sequence[str], scoring: PrefectFuture[Any] | None) -> None:
        if scoring is None:
            return
        scoring.wait()
        scored = self._outcome(bundle, scoring.state)
        for name, reference in scored.items():
            self.run_folder.add_samples(name, Path(reference["files"]["samples"]))
            explain.remember(self.plan, name)
        self.scored |= scored

    # Calling steps

    def _call(self, step: Any, name: str, *, anew: bool = False, **parameters: Any) -> Any:
        """Run a step here and now; its final state."""
        return self._named(step, name, anew)(spec=self.plan.spec, **parameters, return_state=True)

    def _submit(self, step: Any, name: str, **parameters: Any) -> PrefectFuture[Any]:
        future: PrefectFuture[Any] = self._named(step, name).submit(spec=self.plan.spec, **parameters)
        return future

    def _named(self, step: Any, name: str, anew: bool = False) -> Any:
        return step.with_options(
            task_run_name=name.replace("{", "(").replace("}", ")"),
            result_storage=self.plan.home.step_results,
            refresh_cache=anew,
        )

    def _outcome(self, bundle: Sequence[str], state: Any) -> References:
        """The references of a step that has ended; tasks that failed in it are noted."""
        result = state.result(raise_on_failure=False)
        if isinstance(result, Incomplete):
            self._note(result.failures)
            return result.done
        if isinstance(result, Exception):
            reason = str(result) if isinstance(result, USER_ERRORS) else f"{type(result).__name__}: {result}"
            self._note(dict.fromkeys(bundle, reason))
            return {}
        references: References = result
        return references

    def _note(self, failures: Mapping[str, str]) -> None:
        for name, reason in failures.items():
            if name not in self.failed:
                reporter().say(f"failed: {reason}")
                self.failed[name] = reason

    def _prepare_key(self, task: str) -> str:
        """The key of a task's requests; one of its own for a task whose data cannot be found, which the step
        will say."""
        try:
            return keys.key_of(keys.prepare_parts(self.plan, task))
        except TaskError:
            return uuid.uuid4().hex

    def _explain(self, task: str, reference: Mapping[str, Any]) -> None:
        digests = requests_file.digests(Path(reference["files"]["requests"]), range(reference["requests"]))
        reporter().say(explain.explain(self.plan, task, digests))


def _pieces(prepared: References, shard: range) -> list[Piece]:
    """The part of each task's requests file that is in a shard of them all, one after the other."""
    pieces, first = [], 0
    for name, one in prepared.items():
        start, stop = max(shard.start - first, 0), min(shard.stop - first, one["requests"])
        if start < stop:
            pieces.append(Piece(name, one["files"]["requests"], start, stop))
        first += one["requests"]
    return pieces


def _label(bundle: Sequence[str]) -> str:
    return bundle[0] if len(bundle) == 1 else f"{bundle[0]} and {len(bundle) - 1} more"
