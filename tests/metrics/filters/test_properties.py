"""Filters keep a value per document whatever the responses are, and raise nothing but MetricError."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metrics.errors import MetricError
from metrics.filters.filters import FILTERS, apply_pipeline, build_filter

scalars: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=12)
    | st.binary(max_size=4)
)
# Lone surrogates are text too: a model's answer can end within a character.
texts = st.text(st.characters(exclude_categories=()), max_size=20)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3) | st.tuples(inner, inner)
    ),
    max_leaves=6,
)
patterns = st.sampled_from(
    ["a", "(a)|(b)", r"(\w)(\d)?", "", ":", "(", "[", r"\1", "(?P<n>a)", "a{9999999999}"]
)


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a user would write, and now and then anything."""
    return st.integers(0, 5).flatmap(lambda number: anything if number == 5 else usual)


reading = {
    "regex_pattern": mostly(patterns),
    "group_select": mostly(st.integers(-2, 1)),
    "fallback": anything,
}
OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "regex": reading,
    "take_first_k": {"k": mostly(st.integers(0, 2))},
    "map": {"mapping_dict": mostly(st.dictionaries(texts, anything, max_size=3)), "default_value": anything},
    "multi_choice_regex": {
        **reading,
        "ignore_case": mostly(st.booleans()),
        "ignore_punctuation": mostly(st.booleans()),
        "regexes_to_ignore": mostly(st.lists(patterns, max_size=2)),
    },
    "regex_pos": {"regex_pattern": patterns, "group_select": anything, "fallback": anything},
    "custom": {"filter_fn": anything},
}

documents = st.fixed_dictionaries({}, optional={"choices": mostly(st.lists(texts, max_size=4))})


def step(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(name), st.fixed_dictionaries({}, optional=OPTIONS.get(name, {})))


def responses(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[Any, dict[str, Any]]]]:
    """Documents, each with its responses."""
    return st.lists(st.tuples(values, documents), max_size=4)


def run(steps: list[tuple[str, dict[str, Any]]], asked: list[tuple[Any, dict[str, Any]]]) -> list[Any]:
    filters = [build_filter(name, options) for name, options in steps]
    return apply_pipeline(filters, [values for values, _ in asked], [doc for _, doc in asked])


def test_every_filter_with_options_has_its_options_here() -> None:
    assert OPTIONS.keys() <= FILTERS.keys()


@pytest.mark.parametrize("name", FILTERS)
@given(data=st.data())
def test_a_filter_gives_a_value_per_document_or_a_metric_error(name: str, data: st.DataObject) -> None:
    asked = data.draw(responses(mostly(st.lists(texts | anything, max_size=3))))
    with suppress(MetricError):
        assert len(run([data.draw(step(name))], asked)) == len(asked)


@given(
    st.lists(st.sampled_from(sorted(FILTERS)).flatmap(step), max_size=4),
    responses(st.lists(texts, min_size=1, max_size=3)),
)
def test_a_pipeline_gives_a_value_per_document_or_a_metric_error(
    steps: list[tuple[str, dict[str, Any]]], asked: list[tuple[Any, dict[str, Any]]]
) -> None:
    with suppress(MetricError):
        assert len(run(steps, asked)) == len(asked)


@pytest.mark.parametrize(
    "name", ["remove_whitespace", "lowercase", "uppercase", "regex", "format_span", "map"]
)
@given(responses(st.lists(texts, min_size=1, max_size=3)))
def test_a_filter_of_texts_reads_each_response_by_itself(
    name: str, asked: list[tuple[Any, dict[str, Any]]]
) -> None:
    """The responses of a document have their places, and none depends on another."""
    alone = [[run([(name, {})], [([one], doc)])[0][0] for one in values] for values, doc in asked]
    assert run([(name, {})], asked) == alone


@given(responses(st.lists(texts, min_size=1, max_size=3)))
def test_the_first_response_is_the_first(asked: list[tuple[Any, dict[str, Any]]]) -> None:
    assert run([("take_first", {})], asked) == [values[0] for values, _ in asked]
    assert run([("take_first_k", {"k": 1})], asked) == [values[:1] for values, _ in asked]


@given(st.text(max_size=8), st.dictionaries(texts, anything, max_size=3))
@example("regex", {"group": 1})
def test_an_unknown_filter_or_option_is_a_metric_error(name: str, options: dict[str, Any]) -> None:
    with suppress(MetricError):
        build_filter(name, options)
