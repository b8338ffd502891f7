"""Expected calibration error: by hand, against a plain loop over bins, and from choices."""

import random
import statistics
import time
from typing import Any

import numpy as np
import pytest

from metrics.aggregates.aggregation import aggregation
from metrics.errors import MetricError
from metrics.scores.registry import METRICS
from metrics.statistics.stderr import stderr
from tests.support.scores import choice_scores


def corpus(n: int, seed: int = 0) -> Any:
    generator = random.Random(seed)
    confidences = [generator.random() for _ in range(n)]
    return [(confidence, float(generator.random() < confidence**2)) for confidence in confidences]


def loop_over_bins(items: Any, bins: int) -> Any:
    total = 0.0
    for m in range(bins):
        inside = [pair for pair in items if m / bins < pair[0] <= (m + 1) / bins or (m == 0 and pair[0] == 0)]
        if inside:
            confidence, accuracy = (statistics.mean(column) for column in zip(*inside, strict=True))
            total += len(inside) / len(items) * abs(accuracy - confidence)
    return total


def test_it_is_the_mean_distance_of_confidence_and_accuracy_over_bins() -> None:
    # (0.8, 0.9]: confidence 0.875, accuracy 0.5; (0.5, 0.6]: confidence 0.6, accuracy 1.
    items = [(0.85, 1.0), (0.9, 0.0), (0.6, 1.0)]
    assert aggregation("ece")(items) == pytest.approx(2 / 3 * 0.375 + 1 / 3 * 0.4)
    assert not METRICS["ece"].higher_is_better


@pytest.mark.parametrize("bins", [1, 2, 10, 15])
def test_it_agrees_with_a_loop_over_bins(bins: int) -> None:
    items = [*corpus(200), (0.0, 0.0), (0.5, 1.0), (0.3, 0.0), (1.0, 1.0)]
    assert aggregation("ece", {"bins": bins})(items) == pytest.approx(loop_over_bins(items, bins))


def test_perfect_calibration_has_no_error() -> None:
    assert aggregation("ece")([(0.75, 1.0), (0.75, 1.0), (0.75, 1.0), (0.75, 0.0)]) == pytest.approx(0)


def test_confidence_is_the_softmax_of_the_chosen_one() -> None:
    def pair(lls: Any, gold: Any) -> Any:
        scores = choice_scores(
            lls, [False] * len(lls), ["x"] * len(lls), gold, multiple_targets=False, metrics=["ece"]
        )
        return scores["ece"]

    assert pair(np.log([0.1, 0.3]).tolist(), 1) == pytest.approx((0.75, 1.0))
    assert pair(np.log([0.1, 0.3, 0.1]).tolist(), 0) == pytest.approx((0.6, 0.0))


def test_its_bootstrap_is_the_deviation_over_resamples() -> None:
    items, generator = corpus(30), random.Random(0)
    values = [loop_over_bins(generator.choices(items, k=30), 5) for _ in range(200)]
    found = stderr("ece", items, metric="ece", iterations=200, options={"bins": 5})
    assert found == pytest.approx(statistics.stdev(values))


def test_its_bootstrap_over_a_thousand_documents_takes_seconds() -> None:
    start = time.process_time()
    stderr("ece", corpus(1000), metric="ece", iterations=10_000)
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("name", "options", "items", "message"),
    [
        ("ece", {"bin": 5}, [(0.5, 1.0)], "did you mean 'bins'"),
        ("ece", {"bins": 0}, [(0.5, 1.0)], "number of bins"),
        ("ece", {"bins": "10"}, [(0.5, 1.0)], "number of bins"),
        ("ece", {}, [(1.5, 1.0)], "between 0 and 1"),
        ("ece", {}, [(float("nan"), 1.0)], "between 0 and 1"),
        ("ece", {}, [1.0], "cannot use"),
        ("mean", {"bins": 5}, [1.0], "Unknown option of aggregation 'mean'"),
        ("bleu", {"name": "ter"}, [("a", "a")], "Unknown option"),
    ],
)
def test_wrong_options_and_values_are_a_metric_error(
    name: str, options: dict[str, Any], items: Any, message: str
) -> None:
    with pytest.raises(MetricError, match=message):
        aggregation(name, options)(items)
