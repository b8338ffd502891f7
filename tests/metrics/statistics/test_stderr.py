"""Standard errors: fixed values, the bootstrap against a plain loop, and the formulas against simulation."""

import math
import random
import statistics
import tracemalloc
from typing import Any

import numpy as np
import pytest

from metrics.aggregates.aggregation import aggregation
from metrics.bootstrap import bootstrap_stderr, of_sums, resamples
from metrics.errors import MetricError
from metrics.statistics.stderr import stderr


def test_the_mean_has_the_analytic_standard_error() -> None:
    assert stderr("mean", [1, 0, 1, 1], metric="acc") == pytest.approx(0.25)


def test_one_document_has_no_standard_error() -> None:
    assert stderr("mean", [1], metric="acc") is None
    assert stderr("f1", [(1, 1)], metric="f1") is None


def test_no_iterations_ask_for_no_standard_error() -> None:
    assert stderr("mean", [1, 0], metric="acc", iterations=0) is None


def test_bypass_has_no_standard_error() -> None:
    assert stderr("bypass", [None, None], metric="bypass") is None


def test_resamples_are_those_of_the_standard_library() -> None:
    drawn = np.concatenate(list(resamples(7, 2000)))
    expected = []
    for seed in range(2):
        generator = random.Random(seed)
        expected += [generator.choices(range(7), k=7) for _ in range(1000)]
    assert drawn.tolist() == expected


def test_a_bootstrap_is_the_deviation_over_those_resamples() -> None:
    items = [(random.Random(5).choice([0, 1]), index % 2) for index in range(12)]
    f1 = aggregation("f1")
    generator = random.Random(0)
    values = [f1(generator.choices(items, k=len(items))) for _ in range(300)]
    assert stderr("f1", items, metric="f1", iterations=300) == pytest.approx(
        statistics.stdev(values), rel=1e-12
    )


def test_translation_metrics_are_resampled_at_most_a_hundred_times() -> None:
    items = [("a b c d", "a b c"), ("e f g h", "e f g h"), ("i j k l", "i j x l")]
    capped = stderr("ter", items, metric="ter", iterations=100_000)
    assert capped == stderr("ter", items, metric="ter", iterations=100)
    assert capped != stderr("ter", items, metric="other", iterations=1000)


def test_a_bootstrap_holds_a_bounded_block_whatever_the_corpus() -> None:
    documents = 20_000
    statistic = of_sums(np.zeros((documents, 1)), lambda sums: sums[:, 0])
    tracemalloc.start()
    bootstrap_stderr(statistic, documents, 100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 * 2**20


@pytest.mark.parametrize("name", ["weighted_perplexity", "bits_per_byte"])
def test_ratio_standard_errors_agree_with_the_spread_of_repeated_corpora(name: str) -> None:
    generator = np.random.default_rng(0)

    def corpus() -> Any:
        sizes = generator.integers(20, 60, size=400)
        return [
            (float(-size * loss), int(size))
            for size, loss in zip(sizes, generator.gamma(8, 0.1, 400), strict=True)
        ]

    corpora = [corpus() for _ in range(400)]
    spread = statistics.stdev(aggregation(name)(items) for items in corpora)
    claimed = statistics.mean(stderr(name, items, metric=name) or 0.0 for items in corpora)
    assert claimed == pytest.approx(spread, rel=0.12)


def test_ratio_standard_error_by_hand() -> None:
    # R = -3/4; residuals -2 + 9/4 and -1 + 3/4; sqrt(2/1 * (1/16 + 1/16)) / 4 = 1/8
    items = [(-2.0, 3), (-1.0, 1)]
    assert stderr("bits_per_byte", items, metric="bits_per_byte") == pytest.approx(0.125 / math.log(2))
    assert stderr("weighted_perplexity", items, metric="m") == pytest.approx(0.125 * math.exp(0.75))


def test_brier_score_has_the_standard_error_of_a_mean() -> None:
    assert stderr("brier_score", [(0, [0.5, 0.5]), (1, [0.2, 0.8])], metric="b") == pytest.approx(0.21)


@pytest.mark.parametrize("name", ["weighted_perplexity", "bits_per_byte", "brier_score"])
def test_in_compat_lm_evals_missing_standard_errors_are_missing(name: str) -> None:
    assert stderr(name, [(0, [0.5, 0.5]), (1, [0.2, 0.8])], metric=name, compat=True) is None


def test_what_has_no_standard_error_is_a_metric_error_with_the_metric() -> None:
    with pytest.raises(MetricError, match="'likelihood'"):
        stderr("mean", [(0, (1.0,)), (1, (2.0,))], metric="likelihood")
    with pytest.raises(MetricError, match="out of range"):
        stderr("mean", [0.0, 1e200], metric="m")
    with pytest.raises(MetricError, match="'m': no standard error"):
        stderr("nanmean", [[], []], metric="m")
    with pytest.raises(MetricError, match="did you mean 'median'"):
        stderr("medain", [1, 2], metric="m")
    with pytest.raises(MetricError, match="at least 2"):
        stderr("median", [1, 2], metric="m", iterations=1)
