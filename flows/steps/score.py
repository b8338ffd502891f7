"""Responses to scores: read the answers from the store, filter, score and aggregate them."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from prefect import State

from backends.requests import Request, Response
from backends.text.stop_sequences import cut_at_stops, stops_of
from backends.text.thinking import thinking_as_answer
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedTask
from flows.results.calls_file import write_calls
from flows.results.results_json import TaskUsage
from flows.results.run_folder import safe_name
from flows.results.samples_file import write_samples
from flows.results.task_scores import TaskScores
from flows.steps.records import Scored, ScoredTask
from flows.steps.run import Run
from flows.steps.step import ended, for_each, step
from flows.steps.task_answers import TaskAnswers, read_answers
from flows.storage.files import write_text
from flows.storage.step_files import File
from tasks_lib.code.random_state import seeded
from tasks_lib.errors import TaskError
from tasks_lib.scoring.scorer import Answered, MetricScore


@step("score")
def score(
    run: Run,
    prepared: Sequence[PreparedTask],
    unanswered: Mapping[str, Sequence[File]],
    key: str,
) -> Scored | State[Scored]:
    """Score prepared tasks. unanswered: by task, the files that say which requests have no answer."""
    plan, by_name = run.plan, {one.task: one for one in prepared}
    folder = plan.steps.scored / key
    with plan.permitting():
        scored = for_each(by_name, lambda name: _score(plan, by_name[name], unanswered.get(name, ()), folder))
    return ended(Scored(*scored))


def _score(plan: Plan, prepared: PreparedTask, unanswered: Sequence[File], folder: Path) -> ScoredTask:
    name = prepared.task
    task = plan.task(name)
    if task.documents.evaluated.made != prepared.made:
        raise TaskError(
            f"{name}: its Python has made other documents now than those that were asked about; "
            f"does it draw at random, or go through a set?"
        )
    answers = read_answers(plan, prepared, unanswered)
    answers.check_coverage(name, plan.spec.min_coverage)
    answered = answers.answered
    compat = plan.ask_options.compat
    task.scorer.check()  # importing a task's Python may seed the generators too
    with seeded():  # some tasks guess where an answer cannot be read
        samples = list(task.scorer.samples(list(map(_as_lm_eval, answered)) if compat else answered))
        scores = task.scorer.aggregate(samples, compat=compat)
    stem = safe_name(name)
    files = {
        "scores": folder / f"{stem}.json",
        "samples": folder / f"{stem}.parquet",
        "calls": folder / f"{stem}.calls.parquet",
    }
    write_samples(files["samples"], samples)
    write_calls(files["calls"], answers.calls)
    found = _task_scores(plan, prepared, scores, answers)
    write_text(files["scores"], json.dumps(found.model_dump()))
    return ScoredTask({what: plan.steps.add(file) for what, file in files.items()})


def _as_lm_eval(one: Answered) -> Answered:
    """A text that was cut off while the model was thinking, read as its answer."""

    def read(response: Response, request: Request) -> Response:
        return thinking_as_answer(response, partial(cut_at_stops, stops=stops_of(request.generation)))

    pairs = zip(one.asked.requests, one.responses, strict=True)
    return Answered(one.asked, [[read(said, request) for said in own] for request, own in pairs])


def _task_scores(
    plan: Plan, prepared: PreparedTask, scores: list[MetricScore], answers: TaskAnswers
) -> TaskScores:
    task = plan.task(prepared.task)
    responses = [response for one in answers.answered for repeats in one.responses for response in repeats]
    return TaskScores(
        scores=scores,
        higher_is_better={key: metric.higher_is_better for key, metric in task.scorer.metrics.items()},
        version=task.version,
        original=prepared.original,
        effective=len(answers.answered),
        num_fewshot=prepared.num_fewshot,
        usage=TaskUsage(
            requests=prepared.requests,
            docs=answers.docs,
            docs_answered=len(answers.answered),
            truncated=answers.count("truncated"),
            truncated_while_thinking=sum(response.cut_while_thinking for response in responses),
            refused=answers.count("refused"),
            failed=answers.count("failed"),
            skipped=answers.count("skipped"),
            tokens_in=sum(response.tokens_in for response in responses),
            tokens_out=sum(response.tokens_out for response in responses),
            repeats=task.builder.repeats,
            repeats_scored=task.scorer.answers_read(task.builder.repeats),
        ),
    )
