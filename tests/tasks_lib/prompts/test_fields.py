"""Values of a task file become text, target and choices by lm-eval's rules, odd ones included."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks_lib.prompts.fields import choices_reader, plain_reader, target_reader, text_reader

DOC: dict[str, Any] = {"question": "Why?", "options": ["yes", "no"], "label": 1, "gold": "[0, 1]", "n": "7"}


@pytest.mark.parametrize("has_choices", [False, True])
@pytest.mark.parametrize("name", DOC)
def test_a_name_that_is_a_column_is_the_field_as_it_is(name: str, has_choices: bool) -> None:
    assert text_reader(name, DOC, has_choices=has_choices)(DOC) is DOC[name]
    assert target_reader(name, DOC, has_choices=has_choices)(DOC) is DOC[name]
    assert choices_reader(name, DOC)(DOC) is DOC[name]


def test_a_name_that_is_no_column_is_a_text() -> None:
    assert text_reader("query", DOC, has_choices=False)(DOC) == "query"
    assert target_reader("query", DOC, has_choices=True)(DOC) == "query"


@pytest.mark.parametrize("make", [text_reader, target_reader])
def test_digits_are_an_index_only_for_tasks_with_choices(make: Any) -> None:
    assert make("{{label}}", DOC, has_choices=True)(DOC) == 1
    assert make("{{label}}", DOC, has_choices=False)(DOC) == "1"
    assert make("3", DOC, has_choices=True)(DOC) == 3


@pytest.mark.parametrize("make", [text_reader, target_reader])
@pytest.mark.parametrize("text", ["-1", "1.0", " 1", "1 ", "", "\u00b2", "\u0663", "one"])
def test_what_is_not_all_digits_stays_a_text(make: Any, text: str) -> None:
    assert make("{{n}}", (), has_choices=True)({"n": text}) == text


@pytest.mark.parametrize("has_choices", [False, True])
@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("{{gold}}", [0, 1]),
        ("{{options}}", ["yes", "no"]),
        ("[]", []),
        ("[1, (2, 'x')]", [1, (2, "x")]),
        ("[not a list]", "[not a list]"),
        ("[1] ", "[1] "),
        ("[", "["),
        ("(1, 2)", "(1, 2)"),
    ],
)
def test_a_target_in_brackets_is_the_list_that_it_writes_if_it_writes_one(
    text: str, target: object, has_choices: bool
) -> None:
    assert target_reader(text, ("question",), has_choices=has_choices)(DOC) == target


def test_a_text_in_brackets_is_no_list() -> None:
    assert text_reader("{{gold}}", DOC, has_choices=True)(DOC) == "[0, 1]"


def test_choices_are_a_list_the_values_of_a_mapping_a_field_or_the_list_a_template_writes() -> None:
    assert choices_reader(["a", "b"], DOC)(DOC) == ["a", "b"]
    assert choices_reader({"x": "a", "y": "b"}, DOC)(DOC) == ["a", "b"]
    assert choices_reader("options", DOC)(DOC) == ["yes", "no"]
    assert choices_reader("{{options}}", DOC)(DOC) == ["yes", "no"]
    assert choices_reader("{{[question, 'no']}}", DOC)(DOC) == ["Why?", "no"]


@pytest.mark.parametrize("make", [text_reader, target_reader])
def test_functions_get_the_document_and_constants_are_themselves(make: Any) -> None:
    assert make(lambda doc: doc["label"] + 1, DOC, has_choices=True)(DOC) == 2
    assert make(0, DOC, has_choices=True)(DOC) == 0
    assert make(["a", "b"], DOC, has_choices=False)(DOC) == ["a", "b"]
    assert choices_reader(lambda doc: doc["options"][::-1], DOC)(DOC) == ["no", "yes"]


def test_a_prefix_is_a_field_where_the_document_has_it_else_a_template() -> None:
    assert plain_reader("question")(DOC) == "Why?"
    assert plain_reader("answer")(DOC) == "answer"
    assert plain_reader("So, {{question}}")(DOC) == "So, Why?"
    assert plain_reader(None)(DOC) is None


def test_given_columns_decide_what_is_a_field_of_a_prefix() -> None:
    assert plain_reader("question", ["other"])(DOC) == "question"
    assert plain_reader("question", ["question"])(DOC) == "Why?"


@given(st.integers(min_value=0), st.booleans())
def test_an_index_survives_its_template(index: int, as_text: bool) -> None:
    doc = {"label": str(index) if as_text else index}
    assert target_reader("{{label}}", doc, has_choices=True)(doc) == index


@given(st.lists(st.one_of(st.text(), st.integers(), st.none()), max_size=4))
def test_a_list_survives_its_template(targets: list[object]) -> None:
    assert target_reader("{{golds}}", (), has_choices=False)({"golds": targets}) == targets
