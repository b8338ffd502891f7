"""Scores of one document by metrics of the table, from what the model said of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from metrics.scores.choices import AnsweredChoices, Gold
from metrics.scores.likelihood import AnsweredTarget, RollingText
from metrics.scores.metric import Metric, document_scores
from metrics.scores.registry import METRICS, in_table_order, metric
from metrics.scores.text import GeneratedText

CHOICE_METRICS = [name for name, entry in METRICS.items() if entry.of_choices]


def choice_scores(
    lls: Sequence[float],
    is_greedy: Sequence[bool],
    choices: Sequence[str],
    gold: Gold,
    *,
    multiple_targets: bool,
    metrics: Collection[str],
    unconditional: Sequence[float] | None = None,
) -> dict[str, Any]:
    answered = AnsweredChoices(tuple(lls), tuple(is_greedy), choices, gold, multiple_targets, unconditional)
    return document_scores(_named(metrics), "multiple_choice", answered)


def loglikelihood_scores(
    logprob: float, is_greedy: bool, metrics: Collection[str], *, target: str | None = None
) -> dict[str, Any]:
    return document_scores(_named(metrics), "loglikelihood", AnsweredTarget(logprob, is_greedy, target))


def rolling_scores(logprob: float, text: str, metrics: Collection[str]) -> dict[str, Any]:
    return document_scores(_named(metrics), "loglikelihood_rolling", RollingText(logprob, text))


def text_scores(
    name: str, gold: Any, prediction: Any, options: Mapping[str, Any], *, multiple_targets: bool = False
) -> Any:
    found = metric(name)
    if found.of_generation is not None:
        found.check(options)
    return found.text_score(GeneratedText(gold, prediction, multiple_targets), options)


def _named(metrics: Collection[str]) -> list[Metric]:
    return in_table_order(METRICS[name] for name in metrics if name in METRICS)
