"""Metrics of one generated text that lm-eval lacks: a number for each document, aggregated by the mean."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.errors import MetricError, unknown_name
from metrics.scores.math_equal import check_math_equal, math_equal
from metrics.scores.rouge import check_rouge, rouge


def _same_text(golds: Sequence[str], prediction: str) -> float:
    """1.0 if `prediction` is one of `golds`, whatever the case and the white space, else 0.0."""
    return float(_plain(prediction) in map(_plain, golds))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _no_options() -> None:
    """Nothing to check."""


@dataclass(frozen=True, slots=True)
class GeneratedMetric:
    """score: of (targets, prediction), the best over the targets; its keywords are the metric's options.

    check: takes the options, raises MetricError where `score` would for every document.
    """

    score: Callable[..., float]
    check: Callable[..., None]


GENERATED_METRICS: Mapping[str, GeneratedMetric] = {
    **{
        name: GeneratedMetric(functools.partial(rouge, name), functools.partial(check_rouge, name))
        for name in ("rouge1", "rouge2", "rougeL", "rougeLsum")
    },
    "math_equal": GeneratedMetric(math_equal, check_math_equal),
    "exact_match_mc": GeneratedMetric(_same_text, _no_options),
}


def check_generated(name: str, options: Mapping[str, Any]) -> None:
    """Raise MetricError for an unknown or wrong option of `name`, and where its package is not installed."""
    check = GENERATED_METRICS[name].check
    known = inspect.signature(check).parameters
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}:", option, known)
    check(**options)


def generated_score(name: str, golds: Sequence[Any], prediction: Any, options: Mapping[str, Any]) -> float:
    """The score of `prediction` with that of `golds` that suits it best; a MetricError if one is no text."""
    check_generated(name, options)
    if not golds or not all(isinstance(text, str) for text in (*golds, prediction)):
        raise MetricError(
            f"{name} needs target texts and one predicted text, not {golds!r} and {prediction!r}; "
            "a `take_first` filter makes one text of several repeats."
        )
    return GENERATED_METRICS[name].score(golds, prediction, **options)
