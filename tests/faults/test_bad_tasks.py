"""Tasks that cannot be asked or scored: they fail with a message that helps, and take no other with them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.lab import Lab

Break = Callable[[Lab], None]


def edit(**keys: object) -> Break:
    return lambda lab: lab.edit_task("broken", **keys)


def empty_split(lab: Lab) -> None:
    lab.write_data("broken", [])


def damaged_line(lab: Lab) -> None:
    file = lab.write_data("broken", [{"question": "?"}])
    file.write_text(file.read_text() + "{not json\n")


def function(code: str, key: str = "process_docs") -> Break:
    """Give the task a Python function."""

    def write(lab: Lab) -> None:
        (lab.tasks / "code.py").write_text(code)
        file = lab.tasks / "broken.yaml"
        file.write_text(file.read_text() + f"{key}: !function code.process\n")

    return write


def document(number: int, **values: object) -> Break:
    """Make one document another."""

    def write(lab: Lab) -> None:
        rows = [
            {"question": f"{i}?", "choices": ["yes", "no"], "answer": 0, **(values if i == number else {})}
            for i in range(4)
        ]
        lab.write_data("broken", rows)

    return write


# Each way to break a task, and what the message must name: key, and document where there is one.
BROKEN: dict[str, tuple[Break, list[str]]] = {
    "template syntax": (edit(doc_to_text="{{question"), ["doc_to_text", "TemplateSyntaxError"]),
    "undefined variable": (
        edit(doc_to_text="{{qestion}}"),
        ["doc_to_text, document 0", "'qestion' is undefined", "the document has question, choices, answer"],
    ),
    "one document's choices": (document(3, choices=[]), ["doc_to_choice, document 3"]),
    "misspelled target": (edit(doc_to_target="anwser"), ["doc_to_target, document 0", "'anwser' is none"]),
    "label beyond the choices": (document(2, answer=7), ["doc_to_target, document 2", "the label 7 is none"]),
    "missing split": (edit(test_split="tset"), ["no split 'tset'", "there are: test"]),
    "empty split": (empty_split, ["test_split", "split 'test' has no documents"]),
    "damaged data": (damaged_line, ["test.jsonl", "line 2 is not JSON"]),
    "unknown filter": (
        edit(filter_list=[{"name": "f", "filter": [{"function": "regx"}]}]),
        ["filter_list, f", "regx"],
    ),
    "unknown metric": (edit(metric_list=[{"metric": "acuracy"}]), ["metric_list", "acuracy"]),
    "missing function": (function("def other(docs): return docs\n"), ["!function code.process"]),
    "failing function": (
        function("def process(docs): return 1 / 0\n"),
        ["process_docs", "ZeroDivisionError"],
    ),
    "failing process_results": (
        function("def process(doc, results): return {'acc': doc['gone']}\n", "process_results"),
        ["document 0", "'gone'", "the document has question, choices, answer"],
    ),
}


IN_THE_DATA = {"missing split", "damaged data"}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_task_fails_alone_and_says_where(lab: Lab, kind: str) -> None:
    lab.add_choices("broken", 4)
    lab.add_texts("sums", 3)
    break_it, named = BROKEN[kind]
    break_it(lab)
    result = lab.evaluate("broken,sums", trust_task_code=True)
    assert list(result.failures) == ["broken"]
    message = result.failures["broken"]
    for part in ("broken", *named, str(lab.data if kind in IN_THE_DATA else lab.tasks)):
        assert part in message
    assert len(message.splitlines()) <= 2
    assert list(result.results["results"]) == ["sums"]
    assert result.results["assay"]["failed"] == {"broken": message}


def test_the_command_says_what_failed_and_writes_the_rest(lab: Lab) -> None:
    file = lab.add_choices("broken", 4, doc_to_text="{{qestion}}")
    lab.add_texts("sums", 3)
    ended = lab.run(tasks="broken,sums")
    assert ended.status == 1
    assert "failed: broken: doc_to_text, document 0: UndefinedError: 'qestion' is undefined" in ended.errors
    assert str(file) in ended.errors
    assert "Traceback" not in ended.errors
    assert len(ended.errors.strip().splitlines()) <= 3
    assert "exact_match" in ended.out
    assert list(lab.last["assay"]["failed"]) == ["broken"]


def test_a_missing_dataset_is_named_with_where_it_was_looked_for(lab: Lab) -> None:
    lab.add_choices("broken", 4, dataset_path="no_such/dataset")
    lab.add_texts("sums", 3)
    ended = lab.run(tasks="broken,sums", HF_HUB_OFFLINE="1")
    assert ended.status == 1
    message = lab.last["assay"]["failed"]["broken"]
    assert "'no_such/dataset' (default, split 'test')" in message
    assert "--data-root" in message
    assert f"failed: {message}" in ended.errors
    assert list(lab.last["results"]) == ["sums"]


def test_a_repaired_task_is_scored_by_the_same_command(lab: Lab) -> None:
    lab.add_choices("broken", 4, doc_to_text="{{qestion}}")
    lab.add_texts("sums", 3)
    assert lab.evaluate("broken,sums").failures
    lab.edit_task("broken", doc_to_text="{{question}}")
    assert lab.evaluate("broken,sums").failures == {}
    assert lab.asked == 8 + 3


def test_a_task_repaired_by_its_data_is_scored_by_the_same_command(lab: Lab) -> None:
    lab.add_texts("sums", 3)
    file = lab.data / "sums" / "default" / "test.jsonl"
    file.rename(lab.data / "aside")
    assert list(lab.evaluate("sums").failures) == ["sums"]
    (lab.data / "aside").rename(file)
    assert lab.evaluate("sums").failures == {}


def test_python_of_a_folder_that_is_not_trusted_does_not_run(lab: Lab, tmp_path: Path) -> None:
    lab.add_choices("broken", 4)
    ran = tmp_path / "ran"
    function(f"open({str(ran)!r}, 'w')\ndef process(docs): return docs\n")(lab)
    result = lab.evaluate("broken")
    assert "--trust-task-code" in result.failures["broken"]
    assert not ran.exists()


def test_a_request_without_an_answer_fails_its_task_and_is_asked_again(lab: Lab, tmp_path: Path) -> None:
    """A failure is never scored as a wrong answer, and is not kept as an answer."""
    lab.add_texts("sums", 3)
    lab.add_texts("more", 3)
    table = tmp_path / "answers.json"
    failure = {"status": "failed", "error": "no answer came"}
    table.write_text(json.dumps({"*": "1", "Question: sums 1?\nAnswer:": failure}))
    result = lab.evaluate("sums,more", f"scripted:{table}")
    assert list(result.failures) == ["sums"]
    assert "1 of 3 requests" in result.failures["sums"]
    assert "no answer came" in result.failures["sums"]
    assert list(result.results["results"]) == ["more"]
    assert lab.asked == 6
    lab.evaluate("sums,more", f"scripted:{table}")
    assert lab.asked == 7
