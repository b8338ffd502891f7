"""Aggregations, standard errors and groups against lm-eval's, on random documents."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.aggregates.aggregation import AGGREGATIONS, aggregation
from metrics.aggregates.groups import pooled_stderr, unweighted_stderr, weighted_mean
from metrics.errors import MetricError
from metrics.statistics.stderr import stderr
from tests.support.packages import needed

needed("lm_eval", reason="compares with lm-eval, which is not installed")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore"),
]

WORDS = ["the", "cat", "sat", "on", "a", "mat", ",", "dogs", "bark", ".", "at", "night"]


def oracle(name: str) -> Any:
    import lm_eval.api.metrics  # noqa: F401
    from lm_eval.api.registry import get_aggregation

    return get_aggregation("matthews_corrcoef" if name == "mcc" else name)


def sentences(generator: random.Random) -> Any:
    return " ".join(generator.choices(WORDS, k=generator.randint(1, 9)))


def corpus(name: str, seed: int, n: int = 24) -> Any:
    generator = random.Random(seed)
    kinds: dict[str, Callable[[], Any]] = {
        "mean": lambda: generator.choice([0, 1, 1.0, 0.5]),
        "median": generator.random,
        "nanmean": lambda: generator.choice([math.nan, generator.random()]),
        "perplexity": lambda: -5 * generator.random(),
        "weighted_perplexity": lambda: (-50 * generator.random(), generator.randint(1, 20)),
        "bits_per_byte": lambda: (-50 * generator.random(), generator.randint(1, 20)),
        "f1": lambda: (generator.randint(0, 1), generator.randint(0, 1)),
        "mcc": lambda: (generator.randint(0, 2), generator.randint(0, 3)),
        "matthews_corrcoef": lambda: (generator.choice("xyz"), generator.choice("xyz")),
        "brier_score": lambda: (generator.randint(0, 4), [generator.random() for _ in range(5)]),
        "bypass": lambda: None,
    }
    of_kind: Callable[[], Any] = kinds.get(name, lambda: (sentences(generator), sentences(generator)))
    return [of_kind() for _ in range(n)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", sorted(set(AGGREGATIONS) - {"ece"}))
def test_an_aggregation_is_lm_evals_to_the_last_digit(name: str, seed: int) -> None:
    items = corpus(name, seed)
    assert aggregation(name)(items) == oracle(name)(items)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=8))
def test_f1_and_mcc_are_lm_evals_or_fail_where_it_fails(items: Any) -> None:
    assert aggregation("mcc")(items) == oracle("mcc")(items)
    try:
        expected = oracle("f1")(items)
    except ValueError:
        with pytest.raises(MetricError):
            aggregation("f1")(items)
    else:
        assert aggregation("f1")(items) == expected


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-700, 700), min_size=1, max_size=9))
def test_means_are_lm_evals(items: Any) -> None:
    for name in ("mean", "median", "nanmean"):
        assert aggregation(name)(items) == oracle(name)(items)


@pytest.mark.parametrize("name", ["bleu", "chrf", "chrf++", "ter"])
def test_several_references_are_lm_evals(name: str) -> None:
    generator = random.Random(4)
    items = [
        ([sentences(generator) for _ in range(generator.randint(1, 3))], sentences(generator))
        for _ in range(9)
    ]
    assert aggregation(name)(items) == oracle(name)(items)


def lm_eval_stderr(name: str, items: Any, iterations: int) -> Any:
    from lm_eval.api.metrics import stderr_for_metric

    return stderr_for_metric(oracle(name), iterations)(items)


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISABLE_MULTIPROC", "1")


@pytest.mark.parametrize(
    ("name", "iterations"),
    [
        ("median", 2500),
        ("nanmean", 2000),
        ("perplexity", 2000),
        ("perplexity", 300),
        ("f1", 300),
        ("mcc", 300),
        ("matthews_corrcoef", 200),
        ("bleu", 100),
        ("chrf", 100),
        ("chrf++", 100),
        ("ter", 100),
    ],
)
def test_a_bootstrap_is_lm_evals(name: str, iterations: int) -> None:
    items = corpus(name, seed=iterations)
    expected = lm_eval_stderr(name, items, iterations)
    assert stderr(name, items, metric="any", iterations=iterations) == pytest.approx(
        expected, rel=1e-12, nan_ok=True
    )


@pytest.mark.slow
def test_a_bootstrap_of_two_chunks_is_lm_evals_for_f1() -> None:
    items = corpus("f1", seed=1)
    assert stderr("f1", items, metric="f1", iterations=2000) == pytest.approx(
        lm_eval_stderr("f1", items, 2000), rel=1e-12
    )


@pytest.mark.parametrize("name", ["bleu", "chrf++", "ter"])
def test_a_bootstrap_over_different_numbers_of_references_is_lm_evals(name: str) -> None:
    generator = random.Random(8)
    items = [([sentences(generator) for _ in range(k)], sentences(generator)) for k in (3, 1, 2, 3, 3)]
    assert stderr(name, items, metric=name) == pytest.approx(lm_eval_stderr(name, items, 100), rel=1e-12)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_the_standard_error_of_a_mean_is_lm_evals(items: Any) -> None:
    assert stderr("mean", items, metric="acc") == lm_eval_stderr("mean", items, 100_000)


@pytest.mark.parametrize("name", ["weighted_perplexity", "bits_per_byte", "brier_score", "bypass"])
def test_in_compat_what_has_no_standard_error_in_lm_eval_has_none(name: str) -> None:
    from lm_eval.api.metrics import stderr_for_metric

    assert stderr_for_metric(oracle(name), 100_000) is None
    assert stderr(name, corpus(name, 0), metric=name, compat=True) is None


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.5), st.integers(2, 5000)), min_size=1, max_size=20),
    st.booleans(),
)
def test_group_scores_are_lm_evals(tasks: Any, weight_by_size: bool) -> None:
    from lm_eval.api import metrics as reference

    values, stderrs, sizes = (list(column) for column in zip(*tasks, strict=True))
    expected = reference.aggregate_subtask_metrics(values, sizes, weight_by_size)
    assert weighted_mean(values, sizes, weight_by_size) == expected
    assert pooled_stderr(stderrs, sizes) == reference.pooled_sample_stderr(stderrs, sizes)
    assert unweighted_stderr(stderrs) == reference.unweighted_mean_stderr(stderrs)
