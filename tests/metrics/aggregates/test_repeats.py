"""Repeats of a document reduced to one value."""

import itertools
import statistics
from typing import Any

import numpy as np
import pytest

from metrics.aggregates.repeats import reduction
from metrics.errors import MetricError


def reduced(name: str, scores: Any, answers: Any = None) -> Any:
    return reduction(name)(scores, [""] * len(scores) if answers is None else answers)


@pytest.mark.parametrize(
    ("name", "scores", "expected"),
    [
        ("first", [0, 1, 1], 0),
        ("mean", [0, 1, 1, 1], 0.75),
        ("avg@2", [0.5, 1.0, 0.0], 0.75),
        ("pass@1", [0, 1, 0, 0], 0.25),
        ("pass@2", [True, False, False, False], 0.5),
        ("pass@2", [1.0, 1.0, 1.0, 0.0], 1.0),
        ("pass@3", [0, 0, 0], 0.0),
        ("pass@2", np.array([1, 0, 0, 0]), 0.5),
    ],
)
def test_a_reduction_has_its_value(name: str, scores: Any, expected: Any) -> None:
    assert reduced(name, scores) == pytest.approx(expected)


@pytest.mark.parametrize("right", range(7))
@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_pass_at_k_is_the_share_of_all_draws_of_k_repeats_with_a_right_one(right: int, k: int) -> None:
    scores = [1] * right + [0] * (6 - right)
    draws = list(itertools.combinations(scores, k))
    assert reduced(f"pass@{k}", scores) == pytest.approx(statistics.mean(map(max, draws)))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["a", "b", "b"], 0.2),
        (["a", "b", "c"], 0.1),
        (["b", "a", "a"], 0.2),
        ([["x"], ["y"], ["y"]], 0.2),
        ([{"p": 1, "q": 2}, {"q": 3}, {"q": 3}], 0.2),
        ([{"r": 0}, {"p": 1, "q": 2}, {"q": 2, "p": 1}], 0.2),
        ([[object], [set], [set]], 0.2),
        (['["x"]', ["x"], ["x"]], 0.2),
        ([None, "", ""], 0.2),
    ],
)
def test_the_majority_has_the_score_of_the_most_frequent_answer_and_of_ties_the_first(
    answers: Any, expected: Any
) -> None:
    assert reduced("majority", [0.1, 0.2, 0.2], answers) == expected


def test_a_tie_is_won_by_the_answer_met_first() -> None:
    assert reduced("majority", [0, 1, 1, 0], ["b", "a", "a", "b"]) == 0


def test_what_needs_no_number_takes_pairs() -> None:
    pairs = [["gold", "a"], ["gold", "b"], ["gold", "b"]]
    assert reduced("first", pairs) == ["gold", "a"]
    assert reduced("majority", pairs, ["a", "b", "b"]) == ["gold", "b"]


@pytest.mark.parametrize(
    ("name", "scores", "message"),
    [
        ("pass@5", [1, 0, 1], "5 repeats of each document, not 3; raise the task's `repeats`"),
        ("avg@4", [1, 0, 1], "raise the task's `repeats`"),
        ("first", [], "needs 1 repeats"),
        ("pass@1", [0.5, 1], "right \\(1\\) or wrong \\(0\\), not 0.5"),
        ("pass@1", [2], "not 2"),
        ("pass@1", [float("nan")], "not nan"),
        ("mean", [["gold", "a"]], "cannot use scores like"),
    ],
)
def test_scores_that_cannot_be_reduced_are_a_metric_error(name: str, scores: Any, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        reduced(name, scores)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pas@5", "did you mean 'pass@k'"),
        ("majorty", "did you mean 'majority'"),
        ("pass@0", "did you mean 'pass@k'"),
        ("pass@k", "needs a number for k, such as 'pass@5'"),
        ("first@2", "Unknown reduction"),
    ],
)
def test_an_unknown_reduction_is_told_by_name(name: str, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        reduction(name)


def test_scores_and_answers_must_belong_together() -> None:
    with pytest.raises(MetricError, match="2 scores of 1 answers"):
        reduction("mean")([1, 0], ["a"])
