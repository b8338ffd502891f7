"""Scores, aggregations and standard errors of any values are numbers, or a MetricError says what is wrong."""

import math
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.aggregates.aggregation import AGGREGATIONS, aggregation
from metrics.aggregates.groups import aggregate_group
from metrics.errors import MetricError
from metrics.scores.choices import resolve_gold
from metrics.scores.registry import METRICS
from metrics.scores.text import match_type
from metrics.statistics.stderr import stderr
from tests.support.scores import CHOICE_METRICS, choice_scores, text_scores

texts = st.text(st.characters(exclude_categories=()), max_size=8)
scalars: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=3)
)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2) | st.tuples(inner, inner)
    ),
    max_leaves=5,
)
numbers = st.floats() | st.integers(-5, 5) | st.booleans()
pairs = st.tuples(anything, anything)
labelled = st.tuples(st.integers(-1, 2) | texts, st.integers(-1, 2) | texts)
weighed = st.tuples(numbers, numbers)
probable = st.tuples(st.integers(-1, 3) | anything, st.lists(numbers, max_size=3))
translated = st.tuples(texts | st.lists(texts, max_size=2), texts | st.lists(texts, max_size=2))
columns = st.one_of(
    *(
        st.lists(one, max_size=5)
        for one in (numbers, pairs, labelled, weighed, probable, translated, anything)
    )
)
options = st.dictionaries(
    st.sampled_from(["regexes_to_ignore", "ignore_case", "ignore_punctuation", "ignore_numbers", "ignore"]),
    anything | st.lists(st.sampled_from(["a", "(", r"\d"]), max_size=2),
    max_size=3,
)


@pytest.mark.parametrize("name", sorted(AGGREGATIONS))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of infinities
@given(items=columns)
def test_an_aggregation_gives_a_number_or_a_metric_error(name: str, items: list[Any]) -> None:
    with suppress(MetricError):
        assert isinstance(aggregation(name)(items), float)


@pytest.mark.parametrize("name", sorted(AGGREGATIONS))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(items=columns)
def test_a_standard_error_is_a_number_none_or_a_metric_error(name: str, items: list[Any]) -> None:
    with suppress(MetricError):
        error = stderr(name, items, metric=name, iterations=4)
        assert error is None or isinstance(error, float)


@given(st.sampled_from(sorted(METRICS)) | texts, anything, anything, options, st.booleans())
def test_a_text_scores_with_any_metric_or_not_at_all(
    name: str, gold: Any, prediction: Any, chosen: dict[str, Any], several: bool
) -> None:
    with suppress(MetricError):
        score = text_scores(name, gold, prediction, chosen, multiple_targets=several)
        if name == "exact_match":
            assert 0.0 <= score <= 1.0


@given(anything, anything)
def test_a_target_becomes_what_the_prediction_is_or_a_metric_error(gold: Any, prediction: Any) -> None:
    with suppress(MetricError):
        match_type(gold, prediction)


@given(st.lists(texts, max_size=4), anything | st.integers(-2, 5) | st.lists(st.integers(-2, 5), max_size=3))
def test_a_label_is_an_index_of_the_choices_or_none_of_them(choices: list[str], label: Any) -> None:
    with suppress(MetricError):
        found = resolve_gold(label, choices)
        assert all(index < len(choices) for index in (found if isinstance(found, list) else [found]))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(
    st.lists(st.tuples(texts, st.floats(), st.booleans(), st.floats()), max_size=4),
    st.integers(-2, 5) | st.lists(st.integers(-2, 5), max_size=3),
    st.booleans(),
    st.sets(st.sampled_from(sorted(CHOICE_METRICS)) | texts),
)
def test_choices_have_a_score_for_each_metric_that_is_one_of_choices(
    asked: list[tuple[str, float, bool, float]], gold: Any, several: bool, names: set[str]
) -> None:
    choices, lls, greedy, unconditional = (
        (list(column) for column in zip(*asked, strict=True)) if asked else [()] * 4
    )
    with suppress(MetricError):
        scores = choice_scores(
            lls,
            greedy,
            choices,
            gold,
            multiple_targets=several,
            metrics=names,
            unconditional=unconditional,
        )
        assert scores.keys() == names & set(CHOICE_METRICS)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.none() | st.floats(0, 1), st.integers(0, 50)), max_size=5),
    st.booleans(),
)
def test_a_groups_score_lies_between_those_of_its_tasks(
    tasks: list[tuple[float, float | None, int]], by_size: bool
) -> None:
    values, errors, sizes = (list(column) for column in zip(*tasks, strict=True)) if tasks else ([], [], [])
    with suppress(MetricError):
        score = aggregate_group(values, errors, sizes, weight_by_size=by_size)
        assert min(values) - 1e-9 <= score.value <= max(values) + 1e-9
        assert (score.stderr is None) == (None in errors)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6), st.permutations(range(6)))
def test_the_order_of_documents_does_not_matter_to_their_mean(values: list[float], order: list[int]) -> None:
    mixed = [values[i] for i in order if i < len(values)]
    for name in ("mean", "nanmean", "median"):
        assert np.isclose(aggregation(name)(values), aggregation(name)(mixed), atol=1e-6)
    first, second = (stderr("mean", one, metric="acc") for one in (values, mixed))
    assert first is not None
    assert second is not None
    assert math.isclose(first, second, rel_tol=1e-6, abs_tol=1e-6)
