"""Clustered standard errors against double sums, plain loops over clusters, and the spread of new corpora."""

import math
import random
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from metrics.aggregates.aggregation import aggregation
from metrics.errors import MetricError
from metrics.statistics.stderr import stderr

CLUSTERS = ["a", "b", "a", "c", "c", "c", "b", "d", "a", "e"]


def corpus(name: str, seed: int = 0) -> Any:
    generator = random.Random(seed)
    kinds: dict[str, Callable[[], Any]] = {
        "mean": generator.random,
        "median": generator.random,
        "nanmean": lambda: generator.choice([math.nan, *(generator.random() for _ in range(9))]),
        "perplexity": lambda: -generator.random(),
        "weighted_perplexity": lambda: (-20 * generator.random(), generator.randint(1, 9)),
        "bits_per_byte": lambda: (-20 * generator.random(), generator.randint(1, 9)),
        "brier_score": lambda: (generator.randint(0, 1), [generator.random() for _ in range(2)]),
        "f1": lambda: (generator.randint(0, 1), generator.randint(0, 1)),
        "mcc": lambda: (generator.randint(0, 2), generator.randint(0, 2)),
        "bleu": lambda: (
            [" ".join(generator.choices("abcd", k=6)) for _ in range(generator.choice([1, 2, 2, 2, 2]))],
            " ".join(generator.choices("abcd", k=6)),
        ),
    }
    return [kinds[name]() for _ in CLUSTERS]


def double_sum(residuals: Any, clusters: Any) -> Any:
    """The formula as Miller (2024) writes it: products of residuals of all pairs within a cluster."""
    pairs = [(i, j) for i, one in enumerate(clusters) for j, other in enumerate(clusters) if one == other]
    return math.sqrt(sum(residuals[i] * residuals[j] for i, j in pairs))


def test_the_mean_has_the_double_sum_over_clusters() -> None:
    values = corpus("mean")
    residuals = [(value - statistics.mean(values)) / len(values) for value in values]
    assert stderr("mean", values, metric="acc", clusters=CLUSTERS) == pytest.approx(
        double_sum(residuals, CLUSTERS)
    )


@pytest.mark.parametrize("name", ["mean", "weighted_perplexity", "bits_per_byte", "brier_score"])
def test_a_residual_is_how_much_the_score_moves_with_the_weight_of_a_document(name: str) -> None:
    # The infinitesimal jackknife: derivatives by the weights of documents, here by finite differences.
    items, score, step = corpus(name), aggregation(name), 1000
    residuals = [
        (score(items * step + [item]) - score(items)) * step
        for item in items  # one part in a thousand more of it
    ]
    assert stderr(name, items, metric=name, clusters=CLUSTERS) == pytest.approx(
        double_sum(residuals, CLUSTERS), rel=2e-3
    )


@pytest.mark.parametrize("name", ["mean", "weighted_perplexity", "bits_per_byte", "brier_score"])
def test_where_each_document_is_its_own_cluster_only_the_factor_for_small_samples_is_gone(name: str) -> None:
    items = corpus(name)
    n = len(items)
    assert stderr(name, items, metric=name, clusters=range(n)) == pytest.approx(
        (stderr(name, items, metric=name) or 0.0) * math.sqrt((n - 1) / n)
    )


@pytest.mark.parametrize("name", ["f1", "median", "perplexity"])
def test_a_bootstrap_over_single_documents_is_the_unclustered_one(name: str) -> None:
    items = corpus(name)
    assert stderr(name, items, metric=name, iterations=400, clusters=range(len(items))) == stderr(
        name, items, metric=name, iterations=400
    )


@pytest.mark.parametrize("name", ["f1", "mcc", "perplexity", "median", "nanmean", "bleu"])
def test_a_bootstrap_draws_whole_clusters(name: str) -> None:
    items = corpus(name, seed=8)
    members = {
        key: [item for item, own in zip(items, CLUSTERS, strict=True) if own == key] for key in "abcde"
    }
    generator, values = random.Random(0), []
    for _ in range(100):
        drawn = generator.choices(list(members), k=len(members))
        values.append(aggregation(name)([item for key in drawn for item in members[key]]))
    assert stderr(name, items, metric=name, iterations=100, clusters=CLUSTERS) == pytest.approx(
        statistics.stdev(values), rel=1e-9
    )


@pytest.mark.parametrize("name", ["mean", "weighted_perplexity", "perplexity", "f1"])
def test_clustered_standard_errors_agree_with_the_spread_of_repeated_corpora(name: str) -> None:
    generator = np.random.default_rng(0)
    clusters = np.repeat(np.arange(80), 5)

    def items() -> Any:
        ease = np.repeat(generator.normal(size=80), 5) + generator.normal(size=400) / 2
        right = (ease > 0).astype(int).tolist()
        sizes = generator.integers(5, 20, 400).tolist()
        return {
            "mean": right,
            "perplexity": (ease / 4 - 2).tolist(),
            "weighted_perplexity": [(s * (e / 4 - 2), s) for s, e in zip(sizes, ease.tolist(), strict=True)],
            "f1": [(1, answer) for answer in right],
        }[name]

    corpora = [items() for _ in range(200)]
    spread = statistics.stdev(aggregation(name)(corpus) for corpus in corpora)
    claimed = [
        stderr(name, corpus, metric=name, iterations=1000, clusters=clusters.tolist()) or 0.0
        for corpus in corpora[:9]
    ]
    assert statistics.mean(claimed) == pytest.approx(spread, rel=0.15)
    unclustered = stderr(name, corpora[0], metric=name, iterations=1000)
    assert unclustered is not None
    assert unclustered < 0.75 * spread


def test_one_cluster_has_no_standard_error() -> None:
    assert stderr("mean", [1, 0, 1], metric="acc", clusters=["a"] * 3) is None
    assert stderr("f1", [(1, 1), (0, 1)], metric="f1", clusters=["a"] * 2) is None


@pytest.mark.parametrize(
    ("clusters", "message"), [(["a"], "1 have a cluster"), ([["a"], ["b"]], "named by a text or a number")]
)
def test_clusters_that_cannot_be_used_are_a_metric_error(clusters: Any, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        stderr("mean", [1, 0], metric="acc", clusters=clusters)


@pytest.mark.parametrize("name", ["weighted_perplexity", "bypass"])
def test_in_compat_a_standard_error_that_lm_eval_lacks_stays_missing(name: str) -> None:
    items = corpus("weighted_perplexity")
    assert stderr(name, items, metric=name, clusters=CLUSTERS, compat=True) is None
