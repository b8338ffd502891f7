"""`--explain-cache` names what differs where answers are not in the store."""

import re

import pytest

from tests.support.lab import Lab

CaptureFixture = pytest.CaptureFixture[str]


def explanation(lab: Lab, capfd: CaptureFixture, model: str = "scripted:hash", **keys: object) -> str:
    """What a run says of the task `sums` before it asks."""
    capfd.readouterr()
    lab.evaluate("sums", model, explain_cache=True, **keys)
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("sums:")]
    return line


def changes(line: str) -> str:
    found = re.fullmatch(r"sums: (\d+) of (\d+) answers .*; since its last run these changed: (.*)", line)
    assert found, line
    return found[3]


@pytest.fixture
def asked(lab: Lab) -> Lab:
    lab.add_texts("sums", 4)
    lab.evaluate("sums")
    return lab


def test_a_task_that_was_never_run_is_called_so(lab: Lab, capfd: CaptureFixture) -> None:
    lab.add_texts("sums", 4)
    line = explanation(lab, capfd)
    assert line == "sums: 0 of 4 answers are in the store; the task has not been run to its end before"


def test_where_all_answers_are_stored_it_says_only_that(asked: Lab, capfd: CaptureFixture) -> None:
    assert explanation(asked, capfd) == "sums: 4 of 4 answers are in the store"


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"num_fewshot": 2}, "num_fewshot (null -> 2)"),
        ({"gen_kwargs": "temperature=0.5"}, "generation: temperature (null -> 0.5)"),
        ({"system_instruction": "Be brief."}, 'system_instruction (null -> "Be brief.")'),
        ({"model": "scripted:hash?version=2"}, 'fingerprint: version ("1" -> "2")'),
    ],
)
def test_it_names_the_key_that_differs(
    asked: Lab, capfd: CaptureFixture, keys: dict[str, object], named: str
) -> None:
    model = str(keys.pop("model", "scripted:hash"))
    assert named in changes(explanation(asked, capfd, model, **keys))


def test_it_names_an_edited_task_file(asked: Lab, capfd: CaptureFixture) -> None:
    asked.edit_task("sums", doc_to_text="{{question}}")
    assert changes(explanation(asked, capfd)).startswith("task file and its Python (")


def test_it_names_an_edited_dataset(asked: Lab, capfd: CaptureFixture) -> None:
    rows = [{"question": f"new {i}?", "answer": "1"} for i in range(4)]
    asked.write_data("sums", rows)
    assert changes(explanation(asked, capfd)).startswith("dataset (")


def test_it_names_a_larger_limit_and_counts_what_is_there(lab: Lab, capfd: CaptureFixture) -> None:
    lab.add_texts("sums", 4)
    lab.evaluate("sums", limit=3)
    line = explanation(lab, capfd)
    assert line.startswith("sums: 3 of 4 answers are in the store; since its last run these changed: limit (")


def test_it_names_a_store_that_is_another(asked: Lab, capfd: CaptureFixture) -> None:
    for file in asked.home.glob("responses.sqlite*"):
        file.unlink()
    assert changes(explanation(asked, capfd)).startswith("store (")
