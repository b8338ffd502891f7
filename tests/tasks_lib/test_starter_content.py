"""What the starter tasks promise about their documents: right answers, no give-aways, no repetitions."""

import json
import operator
import re
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from statistics import mean
from typing import Any

import pytest
import yaml

from tasks_lib.files.config import TaskConfig
from tests.support.paths import ROOT

STARTER = ROOT / "tasks_lib" / "starter"
TASKS = ("starter_choices", "starter_math", "starter_text")
EQUATION = re.compile(r"(\d+) ([-+x/]) (\d+) = (\d+)")
OPERATORS: dict[str, Callable[[int, int], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "x": operator.mul,
    "/": operator.truediv,
}


def docs(task: str, split: str) -> list[dict[str, Any]]:
    text = (STARTER / "data" / task / "default" / f"{split}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def task_file(task: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((STARTER / f"{task}.yaml").read_text(encoding="utf-8"))
    return loaded


def config(task: str) -> TaskConfig:
    return TaskConfig(**{key: value for key, value in task_file(task).items() if key != "tag"})


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def lengths(doc: dict[str, Any]) -> list[int]:
    return [len(choice) for choice in doc["choices"]]


CHOICES = {split: docs("starter_choices", split) for split in ("train", "test")}
MATH = {split: docs("starter_math", split) for split in ("train", "test")}
ALL_CHOICES = CHOICES["train"] + CHOICES["test"]
ALL_MATH = MATH["train"] + MATH["test"]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_file_reads_as_a_task_config_and_carries_the_starter_tag(task: str) -> None:
    read = config(task)
    assert (read.task, read.dataset_path, read.version) == (task, task, 1.0)
    assert task_file(task)["tag"] == "starter"


@pytest.mark.parametrize("task", TASKS)
def test_every_split_a_task_file_names_is_there(task: str) -> None:
    read = config(task)
    named = {read.training_split, read.validation_split, read.test_split, read.fewshot_split} - {None}
    stored = {path.stem for path in (STARTER / "data" / task / "default").iterdir()}
    assert stored == named


def test_the_number_of_documents_is_what_the_readme_says() -> None:
    counts = [len(CHOICES["test"]), len(CHOICES["train"]), len(MATH["test"]), len(MATH["train"])]
    assert counts == [76, 8, 48, 6]
    assert len(docs("starter_text", "test")) == 14
    readme = (STARTER / "README.md").read_text(encoding="utf-8")
    assert all(phrase in readme for phrase in ("76 (8 few-shot)", "48 (6 few-shot)", "| 14 |"))


@pytest.mark.parametrize("questions", [ALL_CHOICES, ALL_MATH], ids=["choices", "math"])
def test_no_question_repeats_another_even_in_nearly_the_same_words(questions: list[dict[str, Any]]) -> None:
    bags = [frozenset(words(doc["question"])) for doc in questions]
    alike = [(a, b) for a, b in combinations(bags, 2) if len(a & b) > 0.6 * len(a | b)]
    assert not alike


@pytest.mark.parametrize("doc", ALL_CHOICES, ids=lambda doc: doc["question"][:40])
def test_a_question_has_four_different_choices_and_one_of_them_is_the_answer(doc: dict[str, Any]) -> None:
    assert set(doc) == {"question", "choices", "answer"}
    assert doc["question"].endswith("?")
    assert len(doc["choices"]) == 4
    assert len({" ".join(words(choice)) for choice in doc["choices"]}) == 4
    assert doc["answer"] in range(4)


@pytest.mark.parametrize("split", ["train", "test"])
def test_right_answers_are_spread_evenly_over_the_positions(split: str) -> None:
    places = Counter(doc["answer"] for doc in CHOICES[split])
    assert all(0.2 <= places[place] / len(CHOICES[split]) <= 0.3 for place in range(4))


def test_the_length_of_a_choice_does_not_give_the_answer_away() -> None:
    test = CHOICES["test"]
    right = [lengths(doc)[doc["answer"]] for doc in test]
    wrong = [length for doc in test for i, length in enumerate(lengths(doc)) if i != doc["answer"]]
    assert mean(right) == pytest.approx(mean(wrong), rel=0.15)
    longest = [max(range(4), key=lengths(doc).__getitem__) == doc["answer"] for doc in test]
    shortest = [min(range(4), key=lengths(doc).__getitem__) == doc["answer"] for doc in test]
    assert mean(longest) < 0.4
    assert mean(shortest) < 0.4


def test_choices_of_one_question_begin_alike() -> None:
    """All of them a sentence or all of them a phrase: style tells nothing either (names aside)."""
    mixed = [doc["choices"] for doc in CHOICES["test"] if len({c[0].isupper() for c in doc["choices"]}) > 1]
    assert not mixed


@pytest.mark.parametrize("doc", ALL_MATH, ids=lambda doc: doc["question"][:40])
def test_every_equation_of_a_worked_answer_holds_and_the_last_gives_the_answer(doc: dict[str, Any]) -> None:
    *steps, final = doc["answer"].split("\n")
    equations = [EQUATION.findall(step) for step in steps]
    assert 1 <= len(steps) <= 3
    assert all(len(found) == 1 and step.count("=") == 1 for found, step in zip(equations, steps, strict=True))
    for ((left, sign, right, result),) in equations:
        assert OPERATORS[sign](int(left), int(right)) == int(result)
    assert final == f"#### {equations[-1][0][3]}"


@pytest.mark.parametrize("doc", ALL_MATH, ids=lambda doc: doc["question"][:40])
def test_a_worked_answer_passes_the_filters_and_meets_no_stop(doc: dict[str, Any]) -> None:
    read = config("starter_math")
    assert read.filter_list is not None
    assert read.generation_kwargs is not None
    final = doc["answer"].rpartition("#### ")[2]
    for pipeline in read.filter_list:
        found = re.findall(pipeline.filter[0].options["regex_pattern"], doc["answer"])
        assert found[pipeline.filter[0].options.get("group_select", 0)] == final
    assert not any(stop in doc["answer"] for stop in read.generation_kwargs["until"])


def test_the_math_questions_use_only_given_numbers_or_results_of_earlier_steps() -> None:
    """A number from nowhere is a slip, but for words ("two", "half", "thousand") that stand for one."""
    spoken = {"2", "3", "4", "5", "60", "1000"}
    for doc in ALL_MATH:
        known = set(re.findall(r"\d+", doc["question"])) | spoken
        for left, _, right, result in EQUATION.findall(doc["answer"]):
            assert {left, right} <= known, doc["question"]
            known.add(result)


def test_passages_have_80_to_200_words_and_are_all_different() -> None:
    passages = [doc["text"] for doc in docs("starter_text", "test")]
    assert all(80 <= len(text.split()) <= 200 for text in passages)
    sentences = [s for text in passages for s in re.split(r"(?<=[.?!]) ", text)]
    assert len(sentences) == len(set(sentences))


@pytest.mark.parametrize("task", TASKS)
def test_documents_are_plain_ascii_with_no_stray_spaces(task: str) -> None:
    for path in (STARTER / "data" / task / "default").iterdir():
        text = path.read_text(encoding="utf-8")
        assert text.isascii()
        assert "  " not in text
        assert " \\n" not in text
