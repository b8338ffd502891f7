"""Aggregations and groups: fixed values, worked out by hand or with scikit-learn, sacrebleu and lm-eval."""

import math
from typing import Any

import pytest

from metrics.aggregates.aggregation import AGGREGATIONS, aggregation
from metrics.aggregates.groups import (
    GroupScore,
    aggregate_group,
    pooled_stderr,
    unweighted_stderr,
    weighted_mean,
)
from metrics.errors import MetricError
from metrics.scores.registry import METRICS, metric

PAIRS = [(1, 1), (1, 0), (0, 1), (0, 0), (1, 1)]  # TP 2, FN 1, FP 1, TN 1
TEXTS = [
    ("the cat sat on the mat", "the cat sat on a mat"),
    ("a dog barks at night", "the dog barks at night"),
]


@pytest.mark.parametrize(
    ("name", "items", "expected"),
    [
        ("mean", [1, 0.0, 1, 1], 0.75),
        ("nanmean", [1.0, math.nan, 2.0], 1.5),
        ("median", [4, 1, 3, 2], 3.0),
        ("perplexity", [math.log(0.5), math.log(0.125)], 4.0),
        ("weighted_perplexity", [(-2.0, 3), (-1.0, 1)], math.exp(0.75)),
        ("bits_per_byte", [(-2.0 * math.log(2), 3), (-1.0 * math.log(2), 1)], 0.75),
        ("f1", PAIRS, 2 / 3),
        ("f1", [(0, 0), (0, 0)], 0.0),
        ("mcc", PAIRS, 1 / 6),
        ("matthews_corrcoef", [(0, 0), (1, 1), (2, 2), (2, 1)], 0.7),
        ("mcc", [("yes", "yes"), ("yes", "yes")], 0.0),
        ("brier_score", [(0, [0.5, 0.5]), (1, [0.2, 0.8])], 0.29),
        ("brier_score", [(0, [1.0, 0.0]), (2, [0.5, 0.5, 0.0])], 0.75),
        ("bleu", TEXTS, 59.421707464688346),
        ("chrf", TEXTS, 77.78323198561466),
        ("chrf++", TEXTS, 76.89803004981707),
        ("ter", TEXTS, 100 * 2 / 11),
        ("bypass", [None], 999),
    ],
)
def test_an_aggregation_has_its_value(name: str, items: Any, expected: Any) -> None:
    assert aggregation(name)(items) == pytest.approx(expected, rel=1e-9)


def test_a_perplexity_beyond_the_floats_is_infinite() -> None:
    assert aggregation("perplexity")([-1e6]) == math.inf


def test_several_references_help_a_translation() -> None:
    items = [
        (["the cat sat", "the cat sat on a mat"], "the cat sat on a mat"),
        (["x", TEXTS[1][1]], TEXTS[1][1]),
    ]
    assert aggregation("bleu")(items) == pytest.approx(100)
    assert aggregation("ter")([(["a b"], ["a b"])]) == 0.0


@pytest.mark.parametrize(
    ("name", "items", "message"),
    [
        ("f1", [(0, 1), (2, 1)], "binary"),
        ("f1", [("no", "yes"), ("yes", "yes")], "binary"),
        ("f1", [1.0], "pair"),
        ("mcc", [("no", 1)], "same type"),
        ("mean", [(1, 2)], "cannot use"),
        ("mean", [], "no values"),
        ("bits_per_byte", [(-1.0, 0)], "cannot use"),
        ("weighted_perplexity", [(-1.0, 1, 1)], "cannot use"),
        ("brier_score", [(-100, [0.5, 0.5])], "document 0"),
        ("bleu", [("a", ["a", "b"])], "take_first"),
        ("bleu", [1.0], "document 0"),
        ("maen", [1.0], "did you mean 'mean'"),
    ],
)
def test_values_that_cannot_be_aggregated_are_a_metric_error(name: str, items: Any, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        aggregation(name)(items)


def test_every_registered_metric_has_an_aggregation() -> None:
    assert {definition.aggregation for definition in METRICS.values()} <= set(AGGREGATIONS)
    assert not metric("ter").higher_is_better
    with pytest.raises(MetricError, match="did you mean 'acc_norm'"):
        metric("acc_nrm")


def test_a_group_weighs_its_tasks_by_size_or_not() -> None:
    assert weighted_mean([0.5, 1.0], [1, 3]) == 0.875
    assert weighted_mean([0.5, 1.0], [1, 3], weight_by_size=False) == 0.75
    assert pooled_stderr([0.1, 0.2], [11, 21]) == pytest.approx(math.sqrt((10 * 0.11 + 20 * 0.84) / 30 / 32))
    assert unweighted_stderr([0.3, 0.4]) == pytest.approx(0.25)


def test_a_group_has_no_standard_error_where_a_task_has_none() -> None:
    assert aggregate_group([0.5, 1.0], [0.1, None], [2, 2]) == GroupScore(0.75, None)
    assert aggregate_group([0.5, 1.0], [0.3, 0.4], [2, 9], weight_by_size=False).stderr == pytest.approx(0.25)


def test_a_group_of_tasks_without_documents_is_a_metric_error() -> None:
    with pytest.raises(MetricError, match="a task with documents"):
        aggregate_group([0.5], [None], [0])


def test_a_group_without_tasks_is_a_metric_error() -> None:
    with pytest.raises(MetricError, match="one size per task"):
        weighted_mean([], [])


def test_the_brier_score_takes_documents_with_different_numbers_of_choices() -> None:
    items = [(0, [0.5, 0.5]), (1, [0.2, 0.6, 0.2]), (3, [0.1, 0.2, 0.3, 0.4])]
    terms = [0.5, 0.24, 0.5]
    assert aggregation("brier_score")(items) == pytest.approx(sum(terms) / 3)
