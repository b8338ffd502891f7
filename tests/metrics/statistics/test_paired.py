"""Paired differences: equal to what others compute, and unmoved by what must not move them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metrics.errors import MetricError
from metrics.statistics.paired import MOST_EXACT, Pairs, mcnemar_p, paired, sign_flip_p
from metrics.statistics.stderr import mean_stderr

SCORES = st.floats(-100, 100).map(lambda value: round(value, 3))
SHARES = st.sampled_from([0.0, 1.0])


def pairs_of(score: st.SearchStrategy[float], least: int = 2, most: int = 40) -> st.SearchStrategy[Pairs]:
    rows = st.lists(st.tuples(score, score), min_size=least, max_size=most)
    return rows.map(lambda own: Pairs([one for one, _ in own], [other for _, other in own]))


@given(pairs_of(SCORES, least=3))
def test_error_interval_and_t_test_are_scipys(pairs: Pairs) -> None:
    found = paired([pairs])
    differences = pairs.differences
    assert found.difference == pytest.approx(np.mean(pairs.second) - np.mean(pairs.first), abs=1e-9)
    assert found.stderr == pytest.approx(mean_stderr(differences.tolist()), abs=1e-12)
    if differences.std() < 1e-9:
        return
    expected = stats.ttest_rel(pairs.second, pairs.first)
    assert found.t_p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()), rel=1e-6, abs=1e-9)


@given(pairs_of(SHARES))
def test_of_shares_the_permutation_test_is_mcnemars_at_any_size(pairs: Pairs) -> None:
    found = paired([pairs])
    assert found.mcnemar_p == found.permutation_p
    assert found.mcnemar_p == pytest.approx(
        stats.binomtest(found.higher, max(found.higher + found.lower, 1), 0.5).pvalue
        if found.higher + found.lower
        else 1.0
    )


@pytest.mark.parametrize(
    ("higher", "lower", "p"),
    [
        (0, 0, 1.0),
        (5, 0, 2 * 0.5**5),
        # Sums of binomial coefficients by hand: 2 * (1 + 10 + 45) / 1024.
        (8, 2, 112 / 1024),
        (2, 8, 112 / 1024),
    ],
)
def test_mcnemars_p_value_is_exact(higher: int, lower: int, p: float) -> None:
    assert mcnemar_p(higher, lower) == pytest.approx(p)


@given(st.lists(SCORES, min_size=1, max_size=9))
def test_all_signs_are_tried_where_they_are_few(differences: list[float]) -> None:
    values = np.asarray(differences)
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(values))).reshape(len(values), -1).T
    as_far = np.abs(signs @ values) >= abs(values.sum()) - 1e-9
    assert sign_flip_p(values) == pytest.approx(as_far.mean())


def test_random_signs_come_close_to_all_of_them_and_are_the_same_each_time() -> None:
    values = np.random.default_rng(1).normal(0.25, 1, MOST_EXACT + 4)
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    exact = np.mean(np.abs(sums) >= abs(values.sum()) - 1e-9)
    assert sign_flip_p(values) == pytest.approx(exact, abs=0.02)
    assert sign_flip_p(values) == sign_flip_p(values)
    assert sign_flip_p(np.abs(values)) == 1 / 10_000 < exact


@given(pairs_of(SCORES), st.randoms(use_true_random=False))
def test_the_order_of_documents_changes_nothing(pairs: Pairs, random: object) -> None:
    order = list(range(len(pairs.first)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = Pairs([pairs.first[i] for i in order], [pairs.second[i] for i in order])
    one, other = paired([pairs]), paired([shuffled])
    assert (one.higher, one.lower) == (other.higher, other.lower)
    assert one.difference == pytest.approx(other.difference, abs=1e-9)
    assert one.stderr == pytest.approx(other.stderr, abs=1e-9)


@given(pairs_of(SCORES, most=14))
def test_the_runs_exchanged_change_the_sign_alone(pairs: Pairs) -> None:
    one, other = paired([pairs]), paired([Pairs(pairs.second, pairs.first)])
    assert (one.difference, one.higher, one.lower) == (-other.difference, other.lower, other.higher)
    assert (one.stderr, one.t_p) == (other.stderr, other.t_p)
    assert one.permutation_p == pytest.approx(other.permutation_p)


@given(pairs_of(SCORES))
def test_documents_that_are_their_own_clusters_are_as_without(pairs: Pairs) -> None:
    own = Pairs(pairs.first, pairs.second, clusters=list(range(len(pairs.first))))
    one, other = paired([own]), paired([pairs])
    assert one.stderr == pytest.approx(other.stderr, abs=1e-12)
    assert one.t_p == pytest.approx(other.t_p, nan_ok=True)
    assert one.permutation_p == other.permutation_p


def test_a_document_repeated_in_its_cluster_counts_once() -> None:
    first, second = [0.0, 1.0, 1.0, 0.0, 0.25], [1.0, 1.0, 0.5, 1.0, 1.0]
    alone = paired([Pairs(first, second)])
    twice = paired([Pairs(first * 2, second * 2, clusters=[*range(5), *range(5)])])
    assert twice.difference == pytest.approx(alone.difference)
    assert twice.stderr == pytest.approx(alone.stderr)
    assert twice.t_p == pytest.approx(alone.t_p)
    assert twice.permutation_p == alone.permutation_p
    assert twice.mcnemar_p is None
    assert paired([Pairs([0, 0, 1], [1, 1, 1], clusters="aab")]).mcnemar_p is None


def test_several_tasks_are_a_weighted_mean_with_the_errors_of_independent_parts() -> None:
    parts = [Pairs([0, 1, 0.5], [1, 1, 0.75], weight=3), Pairs([2.0, 1.0], [1.0, 4.0], weight=1)]
    alone = [paired([part]) for part in parts]
    found = paired(parts)
    assert found.difference == pytest.approx((3 * alone[0].difference + alone[1].difference) / 4)
    assert found.stderr == pytest.approx(math.hypot(3 * alone[0].stderr, alone[1].stderr) / 4)  # type: ignore[operator,arg-type]
    assert (found.documents, found.higher, found.lower, found.mcnemar_p) == (5, 3, 1, None)


@given(pairs_of(SCORES, least=4))
def test_two_tasks_of_unequal_spread_are_compared_as_welch_does(pairs: Pairs) -> None:
    half = len(pairs.first) // 2
    one, other = pairs.differences[:half], pairs.differences[half:]
    if min(one.std(), other.std()) < 1e-6:
        return
    # The plain mean of two tasks' differences is zero where the one's are those of the other turned round.
    parts = [Pairs([0.0] * len(part), part.tolist()) for part in (one, other)]
    expected = stats.ttest_ind(one, -other, equal_var=False)
    assert paired(parts).t_p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


def test_equal_runs_differ_by_nothing_and_one_document_shows_nothing() -> None:
    same = paired([Pairs([0, 1, 1], [0, 1, 1])])
    assert (same.difference, same.stderr, same.interval) == (0, 0, (0, 0))
    assert (same.t_p, same.permutation_p, same.mcnemar_p) == (1, 1, 1)
    single = paired([Pairs([0], [1])])
    assert (single.stderr, single.interval, single.t_p, single.permutation_p) == (None, None, None, 1)


def test_a_difference_without_spread_is_no_proof() -> None:
    found = paired([Pairs([0.1, 0.2, 0.3], [0.2, 0.3, 0.4])])
    assert found.difference == pytest.approx(0.1)
    assert (found.interval, found.t_p, found.permutation_p) == (None, None, 0.25)


@pytest.mark.parametrize(
    ("pairs", "named"),
    [
        ([Pairs([0, 1], [0])], "2 and 1"),
        ([Pairs([], [])], "0 and 0"),
        ([Pairs([0, math.nan], [0, 1])], "finite"),
        ([Pairs([0, 1], [0, 1], weight=0)], "weight"),
        ([Pairs([0, 1], [0, 1], clusters=["a"])], "2 documents have values, but 1"),
    ],
)
def test_what_is_no_pair_of_scores_is_refused(pairs: list[Pairs], named: str) -> None:
    with pytest.raises(MetricError, match=named):
        paired(pairs)
