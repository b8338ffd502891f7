"""Description, examples and question are joined by lm-eval's rules, byte for byte."""

from collections.abc import Mapping, Sequence

import pytest

from tasks_lib.errors import TaskError
from tasks_lib.prompts.turns import (
    Delimiters,
    Turn,
    answer_text,
    example_turns,
    join,
    question_turns,
    render_prompt,
    system_turns,
)

MARKS = Delimiters(target="=>", fewshot="||")


class Chat:
    """A chat template that keeps what it was given."""

    def __init__(self) -> None:
        self.messages: list[Mapping[str, str]] = []
        self.continue_final: bool | None = None

    def __call__(self, messages: Sequence[Mapping[str, str]], *, continue_final: bool) -> str:
        self.messages, self.continue_final = list(messages), continue_final
        return "rendered"


def plain(turns: Sequence[Turn]) -> str:
    return str(render_prompt(turns, None))


# An end of the left text, a start of the right one, and what stands between.
MATRIX = [
    ("Q", "A", "Q=>A"),
    ("Q ", "A", "Q A"),
    ("Q", " A", "Q A"),
    ("Q ", " A", "Q  A"),
    ("Q\n", "A", "Q\nA"),
    ("Q", "\nA", "Q\nA"),
    ("Q\u00a0", "A", "Q\u00a0A"),
    ("", "A", "A"),
    ("Q", "", "Q"),
]


@pytest.mark.parametrize(("left", "right", "joined"), MATRIX)
def test_a_delimiter_stands_only_between_texts_without_white_space(
    left: str, right: str, joined: str
) -> None:
    assert join(left, right, "=>") == joined


@pytest.mark.parametrize(("left", "right", "joined"), MATRIX)
def test_an_answer_that_was_begun_follows_the_question_by_the_same_rule(
    left: str, right: str, joined: str
) -> None:
    assert plain(question_turns(left, right, MARKS)) == joined


def test_nothing_joined_with_nothing_is_nothing() -> None:
    assert join(None, None, "=>") == join("", None, "=>") == ""
    assert join(None, "A", "=>") == "A"


def test_a_question_ends_the_prompt() -> None:
    assert plain(question_turns("Q", None, MARKS)) == "Q"


@pytest.mark.parametrize(
    ("question", "answer", "prefix", "text"),
    [
        ("Q", "A", None, "Q=>A||"),
        ("Q ", "A", None, "Q =>A||"),
        ("Q", " A", None, "Q=> A||"),
        ("Q", "A", "", "Q=>A||"),
        ("Q", "A", "P", "Q=>P A||"),
        ("Q\n", "A", "P", "Q\nP A||"),
        ("Q", "A", "P\n", "Q=>P\nA||"),
        ("Q", " A", " P", "Q P A||"),
    ],
)
def test_an_example_is_question_delimiter_answer_and_its_own_delimiter(
    question: str, answer: str, prefix: str | None, text: str
) -> None:
    assert plain(example_turns(question, answer, prefix, MARKS)) == text


def test_an_example_without_answer_is_its_question_with_nothing_after_it() -> None:
    assert plain(example_turns("Q", None, None, MARKS)) == "Q"
    assert plain(example_turns("Q", None, "P", MARKS)) == "Q=>P"


@pytest.mark.parametrize(
    ("instruction", "description", "text"),
    [
        ("S", "D", "S||D"),
        ("S\n", "D", "S\nD"),
        ("S", "", "S"),
        (None, "D", "D"),
        (None, "", ""),
        ("", "", ""),
    ],
)
def test_instruction_and_description_are_one_turn_before_all_else(
    instruction: str | None, description: str, text: str
) -> None:
    turns = system_turns(instruction, description, MARKS)
    assert plain(turns) == text
    assert [turn.role for turn in turns] == (["system"] if text else [])


@pytest.mark.parametrize(
    ("answer", "choices", "text"),
    [
        ("A", None, "A"),
        (1, ["a", "b"], "b"),
        (0, ["a", "b"], "a"),
        ("1", ["a", "b"], "1"),
        (["first", "second"], None, "first"),
        (None, ["a"], None),
        ("", ["a"], None),
    ],
)
def test_an_example_shows_the_choice_the_text_or_the_first_of_several_targets(
    answer: object, choices: list[str] | None, text: str | None
) -> None:
    assert answer_text(answer, choices) == text


def test_an_answer_that_is_no_text_is_an_error() -> None:
    with pytest.raises(TaskError, match=r"3\.5"):
        answer_text(3.5, ["a", "b"])
    with pytest.raises(TaskError, match="1, not a text"):
        answer_text(1, None)
    with pytest.raises(TaskError, match="the label 2 is no index"):
        answer_text(2, ["a", "b"])


def test_a_chat_template_gets_turns_without_their_delimiters() -> None:
    chat = Chat()
    turns = [
        *system_turns("S", "D", MARKS),
        *example_turns("Q1", "A1", None, MARKS),
        *question_turns("Q2", None, MARKS),
    ]
    assert render_prompt(turns, chat) == "rendered"
    assert chat.messages == [
        {"role": "system", "content": "S||D"},
        {"role": "user", "content": "Q1"},
        {"role": "assistant", "content": "A1"},
        {"role": "user", "content": "Q2"},
    ]
    assert chat.continue_final is False


def test_a_chat_goes_on_with_an_answer_that_was_begun() -> None:
    chat = Chat()
    render_prompt(question_turns("Q", "The answer is", MARKS), chat)
    assert chat.messages[-1] == {"role": "assistant", "content": "The answer is"}
    assert chat.continue_final is True
