"""pass@k of programs, by the tests of their problems."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.errors import MetricError
from metrics.hf_evaluate.code_eval import allowing_code, compute, pass_at_k
from metrics.sandbox.pick import NONE

ADD = "def add(a, b):\n    return a + b\n"
TEST = "assert add(2, 3) == 5"


@pytest.fixture(autouse=True)
def _allowed() -> Iterator[None]:
    with allowing_code(NONE):
        yield


# Scores


def test_candidates_are_judged_by_the_tests_of_their_problem() -> None:
    wrong = ADD.replace("+", "*")
    scores, outcomes = compute(
        [TEST, "assert add(1, 1) == 1"], [[ADD, wrong, ADD], [wrong, ADD, "("]], k=[1, 2, 5]
    )
    assert scores == {"pass@1": pytest.approx(0.5), "pass@2": pytest.approx((1 + 2 / 3) / 2)}
    assert [[outcome["passed"] for _, outcome in outcomes[task]] for task in (0, 1)] == [
        [True, False, True],
        [True, False, False],
    ]
    number, last = outcomes[1][2]
    assert number == last["completion_id"] == 2
    assert last["task_id"] == 1
    assert last["result"].startswith("failed: '(' was never closed")


@given(candidates=st.integers(1, 12), data=st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_candidate_that_passed(
    candidates: int, data: st.DataObject
) -> None:
    passed, k = data.draw(st.integers(0, candidates)), data.draw(st.integers(1, candidates))
    draws = list(combinations(range(candidates), k))
    lucky = sum(any(one < passed for one in draw) for draw in draws)
    assert math.isclose(pass_at_k(candidates, passed, k), lucky / len(draws), abs_tol=1e-12)


def test_one_k_may_stand_without_a_list() -> None:
    assert compute([TEST], [[ADD]], k=1)[0] == {"pass@1": 1.0}


def test_code_runs_only_where_that_is_allowed() -> None:
    with allowing_code(None), pytest.raises(MetricError, match="none may run"):
        compute([TEST], [[ADD]])
    with ThreadPoolExecutor(1) as elsewhere, pytest.raises(MetricError, match="none may run"):
        elsewhere.submit(compute, [TEST], [[ADD]]).result()


def test_problems_and_candidates_must_be_as_many() -> None:
    with pytest.raises(MetricError, match="1 lists of candidates for 2 problems"):
        compute([TEST, TEST], [[ADD]])
