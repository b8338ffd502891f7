"""Responses to scores: read the answers from the store, filter, score and aggregate them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from prefect import State

from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedTask
from flows.planning.task_work import ScoredDocuments
from flows.results.calls_file import write_calls
from flows.results.results_json import TaskUsage
from flows.results.run_folder import safe_name
from flows.results.task_scores import TaskScores
from flows.steps.records import Scored, ScoredTask
from flows.steps.run import Run
from flows.steps.step import ended, for_each, step
from flows.steps.task_answers import TaskAnswers, read_answers
from flows.storage.files import write_text
from flows.storage.step_files import File


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
    scored = for_each(by_name, lambda name: _score(plan, by_name[name], unanswered.get(name, ()), folder))
    return ended(Scored(*scored))


def _score(plan: Plan, prepared: PreparedTask, unanswered: Sequence[File], folder: Path) -> ScoredTask:
    name = prepared.task
    answers = read_answers(plan, prepared, unanswered)
    answers.check_coverage(name, plan.spec.min_coverage)
    stem = safe_name(name)
    files = {
        "scores": folder / f"{stem}.json",
        "samples": folder / f"{stem}.parquet",
        "calls": folder / f"{stem}.calls.parquet",
    }
    responses = [call.response for call in answers.calls]
    scored = plan.tasks.score(name, answers.requests, responses, prepared.made, files["samples"])
    write_calls(files["calls"], answers.calls)
    found = _task_scores(prepared, scored, answers)
    write_text(files["scores"], json.dumps(found.model_dump()))
    return ScoredTask({what: plan.steps.add(file) for what, file in files.items()})


def _task_scores(prepared: PreparedTask, scored: ScoredDocuments, answers: TaskAnswers) -> TaskScores:
    responses = answers.of_answered
    return TaskScores(
        scores=scored.scores,
        higher_is_better=scored.higher_is_better,
        version=scored.version,
        original=prepared.original,
        effective=answers.docs_answered,
        num_fewshot=prepared.num_fewshot,
        usage=TaskUsage(
            requests=prepared.requests,
            docs=answers.docs,
            docs_answered=answers.docs_answered,
            truncated=answers.count("truncated"),
            truncated_while_thinking=sum(response.cut_while_thinking for response in responses),
            refused=answers.count("refused"),
            failed=answers.count("failed"),
            skipped=answers.count("skipped"),
            tokens_in=sum(response.tokens_in for response in responses),
            tokens_out=sum(response.tokens_out for response in responses),
            prompts_cut=sum(response.prompt_cut > 0 for response in responses),
            repeats=scored.repeats,
            repeats_scored=scored.repeats_scored,
            docs_out_of_turn=scored.docs_out_of_turn,
        ),
    )
