"""Which choice a generated text names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.filters.answer_letters import matching_choice

FILMS = ["Guilty", "Guilty of Romance", "Not guilty.", "the 39 steps"]
LETTERED = ["A", "B", "a rose", "ice"]


@pytest.mark.parametrize(
    ("text", "choices", "expected"),
    [
        ("Guilty", FILMS, "Guilty"),
        ("  **guilty of\n romance** ", FILMS, "Guilty of Romance"),
        ("not guilty", FILMS, "Not guilty."),
        ("Guilty of Romance, I think", FILMS, "Guilty of Romance"),
        ("Guilty, of course", FILMS, "Guilty"),
        ("(The 39 steps) is it", FILMS, "the 39 steps"),
        ("It is Guilty", FILMS, None),
        ("Guiltyish", FILMS, None),
        ("", FILMS, None),
        ("...", FILMS, None),
        ("...", ["?", "yes"], None),
        ("(A)", LETTERED, "A"),
        ("b", LETTERED, "B"),
        ("A. a rose", LETTERED, "A"),
        ("B) because", LETTERED, "B"),
        ("B\nbecause", LETTERED, "B"),
        ("A tulip", LETTERED, None),
        ("A rose is a rose", LETTERED, "a rose"),
        ("1/2", ["1", "1/2"], "1/2"),
        ("1.5", ["1", "2"], None),
        ("-1", ["1", "2"], None),
        ("2 apples", ["1", "2"], "2"),
        ("2, 1", ["1", "2"], "2"),
        ("POLISH", ["Polish", "polish"], None),
        ("polish", ["Polish", "polish"], "polish"),
        ("**polish**.", ["Polish", "polish"], "polish"),
        ("POLISH it", ["Polish", "polish"], None),
        ("yes", ["yes", "yes"], "yes"),
        ("STRASSE", ["straße"], "straße"),
        ("yes", ["", "?", "yes"], "yes"),
        ("anything", [], None),
    ],
)
def test_a_text_names_a_choice(text: str, choices: Any, expected: Any) -> None:
    assert matching_choice(text, choices) == expected


@given(st.lists(st.text(max_size=8), max_size=6), st.text(max_size=12))
def test_what_is_named_is_a_choice_and_a_choice_names_itself(choices: Any, text: str) -> None:
    assert matching_choice(text, choices) in [*choices, None]
    for choice in {one.strip() for one in choices} - {""}:
        if [one.strip() for one in choices].count(choice) == 1:
            assert (matching_choice(choice, choices) or "").strip() == choice
