"""Aggregations: the values of all documents of a task to one number, by the names of task files.

Values are those of lm-eval 0.4.13 (`lm_eval/api/metrics.py`) to the last digit.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from metrics.aggregates.calibration import ece
from metrics.aggregates.classification import brier_score, f1, mcc
from metrics.aggregates.translation import translation_score
from metrics.errors import MetricError, cannot_use, unknown_name

Aggregation = Callable[[Sequence[Any]], float]

NO_OPTIONS: Mapping[str, Any] = {}


def aggregation(name: str, options: Mapping[str, Any] = NO_OPTIONS) -> Aggregation:
    """The aggregation called `name`, with its options (`bins` of `ece`; the others have none).

    It raises MetricError for no values and for values that it cannot use. An unknown name or option is a
    MetricError that names the nearest one.
    """
    if name not in AGGREGATIONS:
        raise unknown_name("aggregation", name, AGGREGATIONS)
    parameters = inspect.signature(AGGREGATIONS[name]).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise unknown_name(f"option of aggregation {name!r}:", option, known)
    return functools.partial(_checked, name, functools.partial(AGGREGATIONS[name], **options))


def mean(items: Sequence[float]) -> float:
    """The sum in document order, in Python floats, over the number; so that the last digit is lm-eval's."""
    return float(sum(items) / len(items))


def nanmean(items: Sequence[float]) -> float:
    """The mean of the values that are not NaN; NaN if all are."""
    values = np.asarray(items, dtype=np.float64)
    return math.nan if np.isnan(values).all() else float(np.nanmean(values))


def median(items: Sequence[float]) -> float:
    """The middle value; of an even number of values the upper of the two in the middle."""
    return float(sorted(items)[len(items) // 2])


def perplexity(items: Sequence[float]) -> float:
    """exp(-mean log-probability); infinite beyond the range of floats."""
    return exponential(-mean(items))


def ratio(items: Sequence[tuple[float, float]]) -> float:
    """The sum of the first values over the sum of the second: log-probability per word or byte."""
    numerators, denominators = zip(*items, strict=True)
    return float(sum(numerators) / sum(denominators))


def weighted_perplexity(items: Sequence[tuple[float, float]]) -> float:
    """exp(-ratio) of (log-probability, words or bytes) pairs."""
    return exponential(-ratio(items))


def bits_per_byte(items: Sequence[tuple[float, float]]) -> float:
    """-ratio / ln 2 of (log-probability, bytes) pairs."""
    return -ratio(items) / math.log(2)


def bypass(items: Sequence[Any]) -> float:
    """999, lm-eval's mark for a task that was asked but not scored."""
    return 999.0


def exponential(exponent: float) -> float:
    """exp, infinite where it is beyond the range of floats."""
    try:
        return math.exp(exponent)
    except OverflowError:
        return math.inf


AGGREGATIONS: Mapping[str, Aggregation] = {
    "mean": mean,
    "nanmean": nanmean,
    "median": median,
    "perplexity": perplexity,
    "weighted_perplexity": weighted_perplexity,
    "bits_per_byte": bits_per_byte,
    "f1": f1,
    "matthews_corrcoef": mcc,
    "mcc": mcc,
    "brier_score": brier_score,
    "ece": ece,
    "bleu": functools.partial(translation_score, "bleu"),
    "chrf": functools.partial(translation_score, "chrf"),
    "chrf++": functools.partial(translation_score, "chrf++"),
    "ter": functools.partial(translation_score, "ter"),
    "bypass": bypass,
}


def _checked(name: str, aggregate: Aggregation, items: Sequence[Any]) -> float:
    if not len(items):
        raise MetricError(f"Aggregation {name!r} has no values: no document of the task was scored.")
    with cannot_use(f"Aggregation {name!r} cannot use these values, the first is {items[0]!r}"):
        return aggregate(items)
