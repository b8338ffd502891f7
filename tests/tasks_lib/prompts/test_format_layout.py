"""A task can be asked in a format: its question, choices and answer laid out anew, and scored to match."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tasks_lib.ask_options import AskOptions
from tasks_lib.errors import TaskError
from tasks_lib.prompts.format_layout import bare_question
from tasks_lib.task import Task
from tests.support.task_maker import TaskMaker, likely, prompts, requests, scored, text

ROWS: list[dict[str, Any]] = [
    {"stem": "What is red?", "options": ["a rose", "grass"], "gold": 0, "right": "a rose"},
    {"stem": "What is cold?", "options": ["fire", "ice", "tea"], "gold": 1, "right": "ice"},
]
FIELDS = {"doc_to_text": "stem", "doc_to_choice": "options", "doc_to_target": "gold"}
CHOICES: dict[str, Any] = {**FIELDS, "output_type": "multiple_choice"}
TEMPLATES: dict[str, Any] = {**CHOICES, "doc_to_text": "Question: {{stem}}\nAnswer:"}


@pytest.fixture
def made(maker: TaskMaker) -> TaskMaker:
    maker.data(ROWS)
    maker.data(ROWS[::-1], "train")
    return maker


def asked(task: Task) -> list[tuple[str, str]]:
    """Prompt and continuation of the first document's requests."""
    return [(one.prompt_text, one.continuation) for one in requests(task)[0]]


def chat(messages: Sequence[Mapping[str, str]], *, continue_final: bool) -> str:
    return "".join(f"<{one['role']}>{one['content']}" for one in messages) + (
        "" if continue_final else "<end>"
    )


def exact(task: Task, *answers: str) -> list[Any]:
    return [dict(sample.scores) for sample in scored(task, *map(text, answers))]


# Layouts


def test_mcqa_lists_labelled_choices_and_compares_the_labels(made: TaskMaker) -> None:
    prompt = "Question: What is red?\nA. a rose\nB. grass\nAnswer:"
    assert asked(made.task(format="mcqa", **CHOICES)) == [(prompt, " A"), (prompt, " B")]


def test_cloze_lists_no_choices_and_compares_their_texts(made: TaskMaker) -> None:
    prompt = "Question: What is red?\nAnswer:"
    assert asked(made.task(format="cloze", **CHOICES)) == [(prompt, " a rose"), (prompt, " grass")]


def test_generate_asks_for_a_label_and_begins_the_answer(made: TaskMaker) -> None:
    prompt = prompts(made.task(format="generate", **CHOICES))[1]
    assert prompt == (
        "Here are a question and 3 candidate answers, labelled A, B and C. Choose the best one.\n"
        "Question: What is cold?\nA. fire\nB. ice\nC. tea\n"
        'End your response with "The best answer is [answer_letter]", where [answer_letter] is A, B or C.\n'
        "The best answer is"
    )


def test_cot_asks_for_steps_and_lists_no_choices(made: TaskMaker) -> None:
    prompt = prompts(made.task(format="cot", **CHOICES))[0]
    assert prompt == (
        "Solve the problem step by step, and write your reasoning down before you answer.\n"
        "Problem: What is red?\n"
        'End your response with "The final answer is [answer]", where [answer] is the answer alone.'
    )


def test_cot_works_for_a_task_without_choices(made: TaskMaker) -> None:
    task = made.task(format="cot", doc_to_text="stem", doc_to_target="right")
    assert exact(task, "Roses are. The final answer is A Rose.", "The final answer is tea") == [
        {"exact_match": 1.0},
        {"exact_match": 0.0},
    ]


def test_in_a_chat_the_begun_answer_is_the_models_own(made: TaskMaker) -> None:
    prompt = prompts(made.task(format="generate", chat=chat, **CHOICES))[0]
    assert prompt.startswith("<user>Here are")
    assert prompt.endswith("<assistant>The best answer is")


@pytest.mark.parametrize(
    ("format", "example"),
    [
        ("mcqa", "Question: What is cold?\nA. fire\nB. ice\nC. tea\nAnswer: B\n\nQuestion: What is red?"),
        ("cloze", "Question: What is cold?\nAnswer: ice\n\nQuestion: What is red?"),
        ("generate", "A, B or C.\nThe best answer is B\n\nHere are a question and 2"),
        ("cot", "the answer alone.\nThe final answer is ice\n\nSolve the problem"),
    ],
)
def test_examples_are_laid_out_alike_and_answered(made: TaskMaker, format: str, example: str) -> None:
    task = made.task(
        AskOptions(num_fewshot=1),
        format=format,
        training_split="train",
        fewshot_config={"sampler": "first_n"},
        **CHOICES,
    )
    assert example in prompts(task)[0]


def test_the_words_around_a_tasks_own_question_are_not_said_twice(made: TaskMaker) -> None:
    assert asked(made.task(format="mcqa", **TEMPLATES)) == asked(made.task(format="mcqa", **CHOICES))


@pytest.mark.parametrize(
    ("prompt", "question"),
    [
        ("Question: Why?\nAnswer:", "Why?"),
        ("Q: Why?\nA:", "Why?"),
        ("  question:Why?\n\nAnswer: ", "Why?"),
        ("Problem: 1+1\nSolution:", "1+1"),
        ("Passage.\nQuestion: Why?\nAnswer:", "Passage.\nQuestion: Why?"),
        ("Is it so? The answer: none", "Is it so? The answer: none"),
        ("Vitamin A:", "Vitamin A:"),
        ("Why?", "Why?"),
        ("", ""),
    ],
)
def test_only_words_at_the_ends_belong_to_the_prompt(prompt: str, question: str) -> None:
    assert bare_question(prompt) == question


def test_a_plain_field_is_the_question_as_it_is(made: TaskMaker) -> None:
    made.data([{**ROWS[0], "stem": "Question: what is Q: short for?\nAnswer:"}])
    assert prompts(made.task(format="cloze", **CHOICES)) == [
        "Question: Question: what is Q: short for?\nAnswer:\nAnswer:"
    ]


def test_choices_that_are_labels_themselves_are_not_listed(made: TaskMaker) -> None:
    own: dict[str, Any] = {
        **CHOICES,
        "doc_to_text": "{{stem}}\nA. {{options[0]}}\nB. {{options[1]}}\nAnswer:",
    }
    task = made.task(format="mcqa", **{**own, "doc_to_choice": ["A", "B"]})
    assert prompts(task)[0] == "Question: What is red?\nA. a rose\nB. grass\nAnswer:"


def test_labels_can_be_numbers_or_a_list(made: TaskMaker) -> None:
    numbers = made.task(formats={"mcqa": {"choice_labels": "numbers"}}, **CHOICES)
    assert asked(numbers)[1] == ("Question: What is red?\n1. a rose\n2. grass\nAnswer:", " 2")
    roman = made.task(formats={"type": "mcqa", "choice_labels": ["I", "II", "III"]}, **CHOICES)
    assert asked(roman)[1] == ("Question: What is red?\nI. a rose\nII. grass\nAnswer:", " II")


def test_instruction_and_answer_prompt_know_the_choices(made: TaskMaker) -> None:
    changed = {
        "instruction": "{{_num_choices}}: {{_choice_labels|join('/')}}, {{_choice_list_or}} on {{stem}}",
        "answer_instruction": "Say {{_choice_list_and}}. ",
    }
    task = made.task(formats={"mcqa": changed}, **CHOICES)
    assert prompts(task)[0] == (
        "2: A/B, A or B on What is red?\nQuestion: What is red?\nA. a rose\nB. grass\nSay A and B. Answer:"
    )


def test_separators_and_delimiters_can_be_changed(made: TaskMaker) -> None:
    changed = {
        "question_prefix": "",
        "choice_delimiter": "; ",
        "section_separator": " | ",
        "target_delimiter": "=",
    }
    task = made.task(formats={"mcqa": changed}, **CHOICES)
    assert asked(task)[0] == ("What is red? | A. a rose; B. grass | Answer:", "=A")


# Which format


def test_the_first_format_of_a_task_is_its_own(made: TaskMaker) -> None:
    formats = {"short": {"type": "cloze", "answer_prompt": "A:"}, "mcqa": None}
    assert prompts(made.task(formats=formats, **CHOICES))[0] == "Question: What is red?\nA:"
    assert prompts(made.task(formats=formats, format="mcqa", **CHOICES))[0].endswith("B. grass\nAnswer:")
    assert asked(made.task(formats=formats, format="cloze", **CHOICES))[0][0].endswith("\nAnswer:")


@pytest.mark.parametrize("formats", ["mcqa", ["mcqa", "cot"], {"type": "mcqa"}, {"mcqa": {}}, {"mcqa": None}])
def test_formats_can_be_written_in_several_ways(made: TaskMaker, formats: object) -> None:
    assert asked(made.task(formats=formats, **CHOICES)) == asked(made.task(format="mcqa", **CHOICES))


def test_an_unknown_format_is_refused_with_the_nearest(made: TaskMaker) -> None:
    with pytest.raises(TaskError, match=r"made\.yaml, task made: Unknown format 'mcq'.*'mcqa'"):
        made.task(format="mcq", **CHOICES)


@pytest.mark.parametrize("format", ["mcqa", "cloze", "generate"])
def test_a_format_that_needs_choices_is_refused_for_a_task_without(made: TaskMaker, format: str) -> None:
    with pytest.raises(TaskError, match=f"format '{format}' needs choices.*doc_to_choice"):
        made.task(format=format)


def test_more_choices_than_labels_name_the_document(made: TaskMaker) -> None:
    task = made.task(formats={"mcqa": {"choice_labels": ["I", "II"]}}, **CHOICES)
    with pytest.raises(TaskError, match=r"document 1: 3 choices, but 2 labels; set choice_labels"):
        prompts(task)


def test_a_task_whose_text_is_an_index_has_no_question(made: TaskMaker) -> None:
    with pytest.raises(TaskError, match="gives 0, not the question that a format lays out"):
        prompts(made.task(format="mcqa", **{**CHOICES, "doc_to_text": "{{gold}}"}))


# Scores


def test_mcqa_scores_the_label_of_the_right_choice(made: TaskMaker) -> None:
    task = made.task(format="mcqa", **CHOICES)
    answers = [likely(-1.0), likely(-2.0), likely(-1.0), likely(-3.0), likely(-2.0)]
    assert [dict(one.scores) for one in scored(task, *answers)] == [
        {"acc": 1.0, "acc_norm": 1.0},
        {"acc": 0.0, "acc_norm": 0.0},
    ]


@pytest.mark.parametrize("gold", ["{{options[gold]}}", "{{gold}}", "gold", "right"])
def test_the_right_choice_may_be_an_index_or_a_text(made: TaskMaker, gold: str) -> None:
    task = made.task(format="generate", **{**CHOICES, "doc_to_target": gold})
    assert [one.target for one in scored(task, text("A"), text("A"))] == ["A", "B"]


@pytest.mark.parametrize("answer", [" A", "(a).", "A. a rose", "**A**", "I say B... the best answer is A."])
def test_the_first_token_of_a_generated_answer_is_compared_leniently(made: TaskMaker, answer: str) -> None:
    samples = scored(made.task(format="generate", **CHOICES), text(answer), text("A"))
    assert [(one.filter, one.scores) for one in samples] == [
        ("first_token", {"exact_match": 1.0}),
        ("first_token", {"exact_match": 0.0}),
    ]


def test_choice_match_takes_labels_and_texts_of_choices(made: TaskMaker) -> None:
    task = made.task(formats={"generate": {"scorer": "choice_match"}}, **CHOICES)
    assert exact(task, "A Rose.", "b") == [{"exact_match": 1.0}] * 2
    assert exact(task, "a tulip", "tea") == [{"exact_match": 0.0}] * 2


def test_a_regex_scorer_extracts_the_answer(made: TaskMaker) -> None:
    scorer = {"type": "regex", "regex_pattern": r"is (\w+)"}
    task = made.task(doc_to_text="stem", doc_to_target="right", scorer=scorer)
    assert exact(task, "it is rose", "it is Ice!") == [{"exact_match": 0.0}, {"exact_match": 1.0}]


def test_a_scorer_keeps_the_tasks_own_metrics(made: TaskMaker) -> None:
    metric = {"metric": "exact_match", "regexes_to_ignore": [","], "ignore_case": False}
    own: dict[str, Any] = {"doc_to_text": "stem", "doc_to_target": "right", "metric_list": [metric]}
    assert exact(made.task(scorer="first_token", **own), "i,c,e", "i,c,e")[1] == {"exact_match": 1.0}
    assert exact(made.task(scorer="first_token", **own), "ICE", "ICE")[1] == {"exact_match": 0.0}


def test_a_scorer_beside_filters_is_refused(made: TaskMaker) -> None:
    filters = [{"name": "own", "filter": [{"function": "take_first"}]}]
    with pytest.raises(TaskError, match="`scorer` and `filter_list` both say how answers are read"):
        made.task(scorer="first_token", filter_list=filters)


def test_a_scorer_of_texts_is_refused_for_a_task_that_generates_none(made: TaskMaker) -> None:
    with pytest.raises(TaskError, match="reads generated texts, but the task is multiple_choice"):
        made.task(scorer="first_token", **CHOICES)
