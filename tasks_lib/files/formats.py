"""The formats a task can be asked in, as data, and what choosing one changes in a task's configuration.

A format lays out the prompt from the question, the choices and the answer, whatever the task's own prompt
looks like, and says how the answer is scored. `mcqa` and `cloze` compare log-likelihoods, of the labels and
of the choices' texts; `generate` asks for a label, `cot` for reasoning that ends in the answer.
"""

from collections.abc import Mapping
from typing import Any

from metrics.errors import unknown_name
from metrics.scores.registry import scores_choices
from tasks_lib.errors import TaskError
from tasks_lib.files.config import (
    AggregateMetric,
    FilterPipeline,
    FilterStep,
    FormatConfig,
    GroupConfig,
    MetricConfig,
    ScorerConfig,
    TaskConfig,
)

FORMATS: Mapping[str, FormatConfig] = {
    "mcqa": FormatConfig(
        type="mcqa",
        output_type="multiple_choice",
        question_prefix="Question: ",
        choice_labels="letters",
        answer_prompt="Answer:",
    ),
    "cloze": FormatConfig(
        type="cloze",
        output_type="multiple_choice",
        question_prefix="Question: ",
        answer_prompt="Answer:",
    ),
    "generate": FormatConfig(
        type="generate",
        instruction="Here are a question and {{_num_choices}} candidate answers, labelled "
        "{{_choice_list_and}}. Choose the best one.",
        question_prefix="Question: ",
        choice_labels="letters",
        answer_prompt='End your response with "The best answer is [answer_letter]", where [answer_letter] is '
        "{{_choice_list_or}}.",
        gen_prefix="The best answer is",
        target_delimiter="\n",
        scorer=ScorerConfig.model_validate({"type": "first_token", "after": ["best answer is"]}),
        generation_kwargs={"until": ["\n\n"], "max_gen_toks": 256, "do_sample": False, "temperature": 0.0},
    ),
    "cot": FormatConfig(
        type="cot",
        instruction="Solve the problem step by step, and write your reasoning down before you answer.",
        question_prefix="Problem: ",
        answer_prompt='End your response with "The final answer is [answer]", where [answer] is the answer '
        "alone.",
        fewshot_gen_prefix="The final answer is",
        target_delimiter="\n",
        scorer=ScorerConfig.model_validate(
            {"type": "regex", "regex_pattern": r"(?i)final answer is:?\s*(.+)", "group_select": -1}
        ),
        generation_kwargs={
            "until": ["\nProblem:"],
            "max_gen_toks": 2048,
            "do_sample": False,
            "temperature": 0.0,
        },
    ),
}

TAKE_FIRST = FilterStep(function="take_first")
# How a scorer compares answers where the task names no metrics.
EQUAL = MetricConfig.model_validate(
    {"metric": "exact_match", "ignore_case": True, "ignore_punctuation": True}
)


def with_format(config: TaskConfig, name: str | None, source: str) -> TaskConfig:
    """The configuration of a task asked in a format: one of its own, or of `FORMATS`.

    name: None for the first format that the task names, or, where it names none, its own prompt.
    source: the file and the task, the first words of every message.
    The result's `formats` has the chosen format alone, complete. Errors: TaskError for an unknown format, and
    for one that needs what the task has not.
    """
    wanted = name or next(iter(config.formats), None)
    if wanted is None:
        return _with_scorer(config, source)
    chosen = _complete(config, wanted, source)
    _check_fields(config, chosen, f"{source}: format {wanted!r}")
    changes = _changes(config, wanted, chosen)
    if name and config.task_alias:
        changes["task_alias"] = f"{config.task_alias}@{name}"
    return _with_scorer(config.model_copy(update=changes), source)


def group_in_format(group: GroupConfig, name: str) -> GroupConfig:
    """The group with the metrics that its tasks have in a format, where theirs are of another kind."""
    if name not in FORMATS:
        return group
    generative = FORMATS[name].output_type == "generate_until"
    renamed: dict[str, AggregateMetric] = {}
    for metric in group.aggregate_metric_list:
        is_choice = scores_choices(metric.metric) and metric.metric != "exact_match"
        own = metric.metric if is_choice != generative else "exact_match" if generative else "acc"
        renamed.setdefault(own, metric.model_copy(update={"metric": own, "filter_list": None}))
    alias = group.group_alias and f"{group.group_alias}@{name}"
    return group.model_copy(update={"aggregate_metric_list": [*renamed.values()], "group_alias": alias})


def _complete(config: TaskConfig, name: str, source: str) -> FormatConfig:
    """What the task says of the format, over what the format says itself."""
    if name in config.formats:
        written = config.formats[name]
        return FORMATS[written.type].model_copy(
            update={key: getattr(written, key) for key in written.model_fields_set}
        )
    if name in FORMATS:
        return FORMATS[name]
    raise TaskError(f"{source}: {unknown_name('format', name, [*config.formats, *FORMATS])}")


def _check_fields(config: TaskConfig, chosen: FormatConfig, source: str) -> None:
    if config.output_type == "loglikelihood_rolling":
        raise TaskError(f"{source} asks a question, but the task scores whole texts (loglikelihood_rolling)")
    if config.doc_to_choice is None and (
        chosen.choice_labels is not None or chosen.output_type == "multiple_choice"
    ):
        raise TaskError(
            f"{source} needs choices, but the task has no doc_to_choice; formats without choices: cot"
        )


def _changes(config: TaskConfig, name: str, chosen: FormatConfig) -> dict[str, Any]:
    examples = {
        "target_delimiter": None,
        "fewshot_delimiter": None,
        "gen_prefix": chosen.fewshot_gen_prefix,
    }
    changes: dict[str, Any] = {
        "formats": {name: chosen},
        "output_type": chosen.output_type,
        "target_delimiter": chosen.target_delimiter,
        "fewshot_delimiter": chosen.fewshot_delimiter,
        "gen_prefix": chosen.gen_prefix,
        "fewshot_config": config.fewshot_config.model_copy(update=examples),
    }
    if chosen.generation_kwargs is not None:
        changes["generation_kwargs"] = chosen.generation_kwargs
    if chosen.scorer.type != "default":
        changes["scorer"] = chosen.scorer
    if chosen.scorer.type != "default" or chosen.output_type != config.output_type:
        own_metrics = config.metric_list if chosen.output_type == config.output_type else None
        changes |= {"filter_list": None, "process_results": None, "metric_list": own_metrics}
    return changes


def _with_scorer(config: TaskConfig, source: str) -> TaskConfig:
    """The task's scorer as a filter pipeline with metrics of its own."""
    scorer = config.scorer
    if scorer.type == "default":
        return config
    if config.filter_list is not None:
        raise TaskError(f"{source}: `scorer` and `filter_list` both say how answers are read; leave one out")
    if config.output_type != "generate_until":
        raise TaskError(
            f"{source}: scorer {scorer.type!r} reads generated texts, but the task is {config.output_type}"
        )
    steps = [FilterStep.model_validate({"function": scorer.type, **scorer.options})]
    metrics = config.metric_list or [EQUAL]
    if scorer.reduction:
        metrics = [metric.model_copy(update={"reduction": scorer.reduction}) for metric in metrics]
    else:
        steps.append(TAKE_FIRST)
    pipeline = FilterPipeline(name=scorer.type, filter=steps, metric_list=metrics)
    return config.model_copy(update={"filter_list": [pipeline]})
