"""What the filters read out of responses, with the results lm-eval gives for the same input."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import MetricError
from metrics.filters.filters import FILTERS, apply_pipeline, build_filter, filter_from_class

LETTERS = {"choices": ["Guilty", "Guilty of Romance", "not guilty."]}


def one(name: str, responses: Any, doc: Any = None, **options: Any) -> Any:
    return build_filter(name, options)([responses], [doc or {}])[0]


@pytest.mark.parametrize(
    ("name", "options", "responses", "expected"),
    [
        ("regex", {}, ["so #### 1,234.5 !", "none"], ["1,234.5", "[invalid]"]),
        ("regex", {"regex_pattern": r"\d+", "group_select": -1}, ["1 22 333"], ["333"]),
        ("regex", {"regex_pattern": r"(a)|(b )", "fallback": "?"}, ["xb", "xb y"], ["?", "b"]),
        ("regex", {"regex_pattern": r"()(x?)", "fallback": " ? "}, ["", "x"], ["?", "x"]),
        ("regex", {"regex_pattern": r"z", "fallback": " ? "}, ["a"], [" ? "]),
        ("regex", {"regex_pattern": r"z*"}, [None, "z"], ["", "z"]),
        ("take_first", {}, ["a", "b"], "a"),
        ("take_first_k", {"k": 2}, ["a", "b", "c"], ["a", "b"]),
        ("majority_vote", {}, ["b", "a", "a", "b"], ["b"]),
        ("remove_whitespace", {}, [" a\n", "b"], ["a", "b"]),
        ("lowercase", {}, ["ÄB"], ["äb"]),
        ("uppercase", {}, ["straße"], ["STRASSE"]),
        (
            "first_token",
            {},
            [" (A). Paris", "**B**\nbecause", "", "-5.", "...", "« C »"],
            ["A", "B", "", "-5", "", "C"],
        ),
        ("first_token", {"after": ["answer is"]}, ["Answer IS A, no: the answer is (B)."], ["B"]),
        (
            "first_token",
            {"after": ["so", "answer is"]},
            ["the answer is A so B", "so A", "C"],
            ["B", "A", "C"],
        ),
        ("first_token", {"after": ["is", "answer is"]}, ["İ think the Answer is D", "i"], ["D", "i"]),
        ("first_token", {"after": ["a.c"]}, ["a.c D abc E", "A.C"], ["D", ""]),
        ("map", {"mapping_dict": {"yes": 1}, "default_value": -1}, ["yes", "no"], [1, -1]),
        ("map", {}, ["yes"], [None]),
        ("regex_pos", {}, ["[('a', 'DET'), ('cat', 'NOUN')]", "?"], [["DET", "NOUN"], ["invalid"]]),
        ("format_span", {}, ["Person: Ada, none $$ Places: Kent\nDate: none"], ["per: ada $ loc: kent"]),
        ("custom", {"filter_fn": lambda responses, docs: map(len, responses)}, ["a", "b"], 2),
    ],
)
def test_a_filter_reads_what_lm_eval_reads(
    name: str, options: dict[str, Any], responses: Any, expected: Any
) -> None:
    assert one(name, responses, **options) == expected


@pytest.mark.parametrize(
    ("options", "response", "expected"),
    [
        ({"regex_pattern": r"\(([A-Z])\)"}, "it is (B), guilty", "B"),
        ({"regex_pattern": r"\(([A-Z])\)"}, "clearly Guilty of Romance", "(B)"),
        ({"regex_pattern": r"\(([A-Z])\)"}, "guilty", "[invalid]"),
        ({"regex_pattern": r"\(([A-Z])\)", "ignore_case": True}, "guilty", "(A)"),
        ({"ignore_case": True, "ignore_punctuation": True}, "NOT, guilty!", "(C)"),
        ({"regexes_to_ignore": ["not "]}, "not Guilty", "(A)"),
        ({}, "Answer: \n B", "(B)"),
        ({}, "Answer: D", "[invalid]"),
        ({"fallback": None}, "", None),
    ],
)
def test_multi_choice_regex_names_the_choice(options: dict[str, Any], response: str, expected: Any) -> None:
    assert one("multi_choice_regex", [response], LETTERS, **options) == [expected]


def test_a_pipeline_applies_its_filters_in_order() -> None:
    pipeline = [
        build_filter("regex", {"regex_pattern": r"\d+", "group_select": -1}),
        build_filter("take_first", {}),
    ]
    assert apply_pipeline(pipeline, [["1 2", "x"], ["x"]], [{}, {}]) == ["2", "[invalid]"]


def test_a_filter_after_take_first_sees_letters_as_in_lm_eval() -> None:
    pipeline = [build_filter("take_first", {}), build_filter("uppercase", {})]
    assert apply_pipeline(pipeline, [["ab"]], [{}]) == [["A", "B"]]


@pytest.mark.parametrize("name", ["regex", "take_first", "majority_vote", "lowercase", "map"])
def test_a_filter_over_values_that_are_no_responses_says_so(name: str) -> None:
    pipeline = [build_filter("map", {}), build_filter("take_first", {}), build_filter(name, {})]
    with pytest.raises(MetricError, match="must come last"):
        apply_pipeline(pipeline, [["a"]], [{}])


def test_a_class_of_task_code_is_a_filter() -> None:
    class Suffix:
        def __init__(self, suffix: str) -> None:
            self.suffix = suffix

        def apply(self, responses: Any, docs: Any) -> Any:
            return ([response + self.suffix for response in values] for values in responses)

    assert filter_from_class(Suffix, {"suffix": "!"})([["a"]], [{}]) == [["a!"]]
    with pytest.raises(MetricError, match="Suffix"):
        filter_from_class(Suffix, {"prefix": "!"})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("take_frist", {}, "did you mean 'take_first'"),
        ("regex", {"regex_patern": "a"}, "did you mean 'regex_pattern'"),
        ("regex", {"regex_pattern": "("}, "no regular expression"),
        ("regex", {"regex_pattern": ["a"]}, "not \\['a'\\]"),
        ("take_first_k", {}, "needs the option 'k'"),
        ("take_first_k", {"k": "2"}, "number of responses"),
        ("first_token", {"after": "answer is"}, "list of phrases"),
        ("first_token", {"after": [""]}, "list of phrases"),
        ("first_token", {"after": 3}, "list of phrases"),
        ("map", {"mapping_dict": ["a"]}, "must be a mapping"),
        ("custom", {"filter_fn": 3}, "must be a function"),
        ("regex_pos", {"regex_pattern": "a"}, "no effect"),
    ],
)
def test_a_wrong_configuration_is_told_when_the_filter_is_built(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(MetricError, match=message):
        build_filter(name, options)


@pytest.mark.parametrize(
    ("name", "options", "responses", "message"),
    [
        ("regex", {"regex_pattern": "a", "group_select": 3}, ["aa"], "group_select 3"),
        ("take_first", {}, [], "document 0"),
        ("take_first_k", {"k": 2}, ["a"], "repeats"),
        ("majority_vote", {}, [["a"]], "cannot count"),
        ("lowercase", {}, [3], "works on text"),
        ("map", {}, [["a"]], "cannot look up"),
        ("multi_choice_regex", {}, ["a"], "choices"),
    ],
)
def test_a_response_a_filter_cannot_read_is_a_metric_error(
    name: str, options: dict[str, Any], responses: Any, message: str
) -> None:
    with pytest.raises(MetricError, match=message):
        one(name, responses, **options)


@pytest.mark.parametrize("choices", [None, 5, [1, 2], ["a", None]])
def test_choices_that_are_no_texts_are_a_metric_error(choices: Any) -> None:
    with pytest.raises(MetricError, match="document 0 needs a field `choices` with a list of texts"):
        build_filter("multi_choice_regex", {})([["a"]], [{"choices": choices}])


def test_regexes_that_are_no_list_are_a_metric_error() -> None:
    with pytest.raises(MetricError, match="regexes_to_ignore: must be a list of regular expressions, not 5"):
        build_filter("multi_choice_regex", {"regexes_to_ignore": 5})


def test_a_filter_that_loses_a_document_is_a_metric_error() -> None:
    loses = build_filter("custom", {"filter_fn": lambda responses, docs: responses[1:]})
    with pytest.raises(MetricError, match="returned 1 values"):
        apply_pipeline([loses], [["a"], ["b"]], [{}, {}])


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "regex_pattern": st.text(max_size=8) | st.sampled_from([r"(a)|(b)", r"\w", ":", "()"]),
        "group_select": st.integers(-3, 3),
        "fallback": st.none() | st.text(max_size=3),
        "ignore_case": st.booleans(),
        "ignore_punctuation": st.booleans(),
        "regexes_to_ignore": st.none() | st.lists(st.text(max_size=3), max_size=2),
        "k": st.integers(-1, 3),
        "after": st.text(max_size=2) | st.lists(st.text(max_size=3), max_size=2),
        "mapping_dict": st.none() | st.dictionaries(st.text(max_size=2), st.integers(), max_size=3),
    },
)


@settings(deadline=None, max_examples=300)
@given(
    name=st.sampled_from(sorted(FILTERS)),
    options=OPTIONS,
    responses=st.lists(st.text(max_size=20), max_size=3),
    choices=st.lists(st.text(max_size=6), max_size=30),
)
def test_no_text_makes_a_filter_raise_anything_but_a_metric_error(
    name: str, options: dict[str, Any], responses: Any, choices: Any
) -> None:
    try:
        values = one(name, responses, {"choices": choices}, **options)
    except MetricError:
        return
    assert values is not None


@settings(deadline=None, max_examples=200)
@given(
    name=st.sampled_from(["regex", "multi_choice_regex", "format_span", "regex_pos", "remove_whitespace"]),
    responses=st.lists(st.text(max_size=60), min_size=1, max_size=3),
)
def test_the_extracting_filters_take_any_text(name: str, responses: Any) -> None:
    assert len(one(name, responses, LETTERS)) == len(responses)
