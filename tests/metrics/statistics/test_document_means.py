"""Perplexities of two runs as means over documents: the same values, and the error that resampling finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.aggregates.aggregation import AGGREGATIONS
from metrics.statistics.document_means import AS_MEANS
from metrics.statistics.paired import Pairs, paired

# Log-likelihoods in two runs, and the length of the text.
DOC = st.tuples(st.floats(-8, 0), st.floats(-8, 0), st.integers(1, 200))
DOCS = st.lists(DOC, min_size=2, max_size=30)


@given(DOCS)
def test_the_means_are_the_aggregated_values(docs: list[tuple[float, float, int]]) -> None:
    for kind, aggregations in AS_MEANS.items():
        runs = [[one[run] if kind == "number" else (one[run], one[2]) for one in docs] for run in (0, 1)]
        for name, as_means in aggregations.items():
            means = as_means(*runs)
            assert means is not None
            for scores, values in zip(means, runs, strict=True):
                assert np.mean(scores) == pytest.approx(AGGREGATIONS[name](values), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", ["weighted_perplexity", "bits_per_byte"])
def test_the_error_is_that_of_documents_drawn_again(name: str) -> None:
    draw = np.random.default_rng(1)
    lengths = draw.integers(80, 120, 300)
    first = -3.0 * lengths + draw.normal(0, 20, 300)
    second = first + 0.02 * lengths + draw.normal(0, 4, 300)
    runs = [list(zip(values, lengths, strict=True)) for values in (first, second)]
    means = AS_MEANS["pair"][name](*runs)
    assert means is not None
    found = paired([Pairs(*means)])
    aggregate = AGGREGATIONS[name]
    again = [
        aggregate([runs[1][row] for row in rows]) - aggregate([runs[0][row] for row in rows])
        for rows in draw.integers(0, 300, (2000, 300))
    ]
    assert found.stderr == pytest.approx(np.std(again), rel=0.1)


def test_texts_of_other_lengths_and_values_beyond_all_numbers_are_not_compared() -> None:
    assert AS_MEANS["pair"]["bits_per_byte"]([(-1.0, 2)], [(-1.0, 3)]) is None
    assert AS_MEANS["number"]["perplexity"]([-1.0], [-1e4]) is None
    assert AS_MEANS["number"]["mean"]([1.0], [float("nan")]) is None
