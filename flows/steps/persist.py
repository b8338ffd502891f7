"""The last step: what all tasks gave becomes the run's `results.json`."""

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prefect import task

from flows.common.json_object import JsonObject
from flows.common.version import __version__
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedTask
from flows.results.answer_origins import COLUMNS, AnswerOrigins
from flows.results.generation_record import generation_record
from flows.results.results_json import FORMAT, RULES, Assay, RunRecord
from flows.results.run_folder import RunFolder
from flows.results.score_sections import ScoreSections
from flows.results.task_scores import TaskScores
from flows.steps.cost_and_speed import accounts
from flows.steps.records import LoadedModel, ScoredTask
from flows.steps.run import Run
from tasks_lib.files.config import TaskConfig
from tasks_lib.prompts.generation_checks import generation_of


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Times and counts of a run, as results have them (`flows.results.results_json.Assay`)."""

    started: str
    seconds: float
    seconds_asking: float
    requests_asked: int
    requests_reused: int
    resources: JsonObject


@task(name="persist", task_run_name="persist")
def persist(
    run: Run,
    folder: str,
    model: LoadedModel,
    prepared: Sequence[PreparedTask],
    scored: Mapping[str, ScoredTask],
    failed: Mapping[str, str],
    facts: RunFacts,
) -> str:
    """Write the results. Raises ResultError.

    model: what `load_model` said. prepared: the tasks that were asked, whose calls are in
    the folder. scored: what `score` wrote.
    """
    plan, run_folder = run.plan, RunFolder.at(folder)
    scores = {name: TaskScores.read(plan.steps.fetch(one.files["scores"])) for name, one in scored.items()}
    sections = ScoreSections(plan.selection, scores)
    asked = [one for one in prepared if one.task in scored]
    performance, cost = accounts(plan, run_folder, prepared, scored, facts.seconds_asking)
    record = RunRecord(
        **sections.sections(),
        config=_config(plan, model.described),
        date=facts.started,
        total_evaluation_time_seconds=str(facts.seconds),
        assay=Assay(
            format=FORMAT,
            version=__version__,
            rules=RULES,
            failed=dict(failed),
            model_key=model.model_key,
            fingerprint=dict(model.fingerprint),
            drawing=plan.drawing,
            generation=_generation(plan, scores, model.described),
            answers_from=None if plan.spec.answers_from is None else str(plan.spec.answers_from),
            python=platform.python_version(),
            tasks={name: one.usage for name, one in scores.items()},
            performance=performance,
            cost=cost,
            answers=_origins(plan, run_folder, asked, facts),
            notices=list(plan.notices),
            samples_sha256={name: one.files["samples"]["sha256"] for name, one in scored.items()},
            calls_sha256={one.task: run_folder.calls_sha256(one.task) for one in prepared},
            intervals=sections.intervals(),
            aggregations=sections.aggregations(),
            started=facts.started,
            seconds=facts.seconds,
            seconds_asking=facts.seconds_asking,
            requests_asked=facts.requests_asked,
            requests_reused=facts.requests_reused,
            resources=facts.resources,
        ),
    )
    run_folder.write_results(record.content())
    return str(run_folder.results)


def _origins(plan: Plan, folder: RunFolder, tasks: Sequence[PreparedTask], facts: RunFacts) -> AnswerOrigins:
    """Where the answers of tasks are from; the calls of one are in memory at a time."""
    calls = (folder.read_calls(one.task, COLUMNS) for one in tasks)
    fingerprints: Counter[str] = Counter()
    for answerer, count in plan.store.answerers(plan.model_key).items():
        if answerer.system_fingerprint:
            fingerprints[answerer.system_fingerprint] += count
    return AnswerOrigins.of(calls, datetime.fromisoformat(facts.started).timestamp(), fingerprints)


def _generation(plan: Plan, tasks: Iterable[str], described: Mapping[str, object]) -> dict[str, JsonObject]:
    """How the texts of each task that has some are generated; a task class says it in its requests alone."""
    found = {}
    for name in tasks:
        config = plan.selection.tasks[name].config
        if isinstance(config, TaskConfig) and config.output_type == "generate_until":
            asked, own = generation_of(config, plan.ask_options), config.generation_kwargs or {}
            found[name] = generation_record(asked, own, plan.spec.gen_kwargs, described)
    return found


def _config(plan: Plan, described: Mapping[str, object]) -> JsonObject:
    """lm-eval's `config` section, of the same keys where they mean something here."""
    spec = plan.spec
    return {
        "model": spec.model.backend,
        "model_args": {"pretrained": spec.model.name, **spec.model.options},
        **described,
        "batch_size": spec.batch_size,
        "limit": spec.limit,
        "gen_kwargs": spec.gen_kwargs or None,
        "end_of_thinking": spec.end_of_thinking,
        "fewshot_seed": spec.seed,
        "system_instruction": spec.system_instruction,
        "chat_template": plan.backend.chat_template() if spec.apply_chat_template else None,
        "compat": spec.compat,
    }
