"""Filters against lm-eval's, on arbitrary texts: the same values, and an error only where lm-eval fails."""

import contextlib
import re
import types
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import MetricError
from metrics.filters.filters import apply_pipeline, build_filter
from tests.support.packages import needed

needed("lm_eval", reason="compares with lm-eval, which is not installed")
pytestmark = pytest.mark.parity

LETTERS = "aAbB(): \n.,'$#é1İß"
PATTERNS = ["#### (\\-?[0-9\\.\\,]+)", r"\(?([A-B])\)?", r"(a)|(b)|()", r"\d+", r"(?i)answer: (.*)", "", "."]
PIECES = ["answer: ", "Answer: B", "(A)", "(B", "#### 1,2", "per: x", "Location :", "none", "$$", ":A", " "]
texts = st.text(LETTERS, max_size=12) | st.lists(st.sampled_from(PIECES), max_size=5).map("".join) | st.text()
responses = st.lists(st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=3)
choice_lists = st.lists(st.text(LETTERS, max_size=4), max_size=6)
regex_options = {
    "regex_pattern": st.sampled_from(PATTERNS),
    "group_select": st.integers(-2, 2),
    "fallback": st.sampled_from(["[invalid]", " none ", ""]),
}
STEPS: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("regex"), st.fixed_dictionaries({}, optional=regex_options)),
    st.tuples(
        st.just("map"),
        st.fixed_dictionaries(
            {"mapping_dict": st.sampled_from([None, {"a": "A", "": "x"}])},
            optional={"default_value": st.sampled_from(["?", "B"])},
        ),
    ),
    st.tuples(
        st.sampled_from(
            ["take_first", "majority_vote", "remove_whitespace", "lowercase", "uppercase", "format_span"]
        ),
        st.just({}),
    ),
)


def oracle(steps: Any, values: Any, docs: Any) -> Any:
    from lm_eval.api.registry import get_filter

    for name, options in steps:
        values = get_filter(name)(**options).apply(values, docs)
        values = [list(value) if isinstance(value, types.GeneratorType) else value for value in values]
    return values


def compare(steps: Any, values: Any, docs: Any) -> None:
    pipeline = [build_filter(name, options) for name, options in steps]
    try:
        expected = oracle(steps, values, docs)
    except (IndexError, AttributeError, TypeError, re.error, AssertionError):
        # Where lm-eval fails there may be a value here (a response that is no text counts as empty, say).
        with contextlib.suppress(MetricError):
            apply_pipeline(pipeline, values, docs)
    else:
        assert apply_pipeline(pipeline, values, docs) == expected


@pytest.fixture(scope="module", autouse=True)
def _filters_are_registered() -> None:
    import lm_eval.filters  # noqa: F401


@settings(deadline=None, max_examples=400)
@given(step=STEPS, values=responses)
def test_a_filter_gives_lm_evals_values(step: Any, values: Any) -> None:
    compare([step], values, [{}] * len(values))


@settings(deadline=None, max_examples=300)
@given(steps=st.lists(STEPS, min_size=2, max_size=4), values=responses)
def test_a_pipeline_gives_lm_evals_values(steps: Any, values: Any) -> None:
    compare(steps, values, [{}] * len(values))


choice_options = st.fixed_dictionaries(
    {},
    optional={
        **regex_options,
        "ignore_case": st.booleans(),
        "ignore_punctuation": st.booleans(),
        "regexes_to_ignore": st.sampled_from([None, ["a", r"\s"], [r"\."]]),
    },
)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_first_k_are_lm_evals(k: int) -> None:
    compare([("take_first_k", {"k": k})], [["a", "b"], ["c", "d"]], [{}, {}])


# Few examples of many documents: lm-eval tables all of Unicode's punctuation on each call.
@settings(deadline=None, max_examples=20)
@given(
    documents=st.lists(st.tuples(texts, choice_lists), min_size=5, max_size=20),
    before=st.sampled_from([[], [("take_first", {})], [("regex", {"regex_pattern": ".*b"})]]),
    options=choice_options,
)
def test_the_choice_read_is_lm_evals(documents: Any, before: Any, options: dict[str, Any]) -> None:
    values = [[text] for text, _ in documents]
    docs = [{"choices": choices} for _, choices in documents]
    compare([*before, ("multi_choice_regex", options)], values, docs)


@settings(deadline=None, max_examples=100)
@given(values=st.lists(st.lists(st.text("[]()', aD", max_size=30), min_size=1, max_size=2), min_size=1))
def test_tags_are_lm_evals(values: Any) -> None:
    compare([("regex_pos", {})], values, [{}] * len(values))


def test_every_filter_of_lm_eval_is_here_but_decontaminate() -> None:
    from lm_eval.api.registry import filter_registry

    from metrics.filters.filters import FILTERS

    theirs = {name for name in filter_registry if filter_registry[name].__module__.startswith("lm_eval.")}
    assert set(FILTERS) >= theirs - {"decontaminate"}
