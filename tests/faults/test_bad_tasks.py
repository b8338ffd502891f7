"""Tasks that cannot be asked or scored: they fail with a message that helps, and take no other with them."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cli.evaluate_command import main
from flows.prefect_api.temporary_server import PrefectApi
from tasks_lib.errors import TaskError
from tests.support.lab import Lab

Break = Callable[[Lab], object]


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


def raw(text: str) -> Break:
    """Add to the task's file."""

    def write(lab: Lab) -> None:
        file = lab.tasks / "broken.yaml"
        file.write_text(f"{file.read_text()}{text}\n")

    return write


# Each way to break a task, and what the message must name: key, and document where there is one.
BROKEN: dict[str, tuple[Break, list[str]]] = {
    "a question that is null": (
        lambda lab: (document(2, question=None)(lab), edit(doc_to_text="question")(lab)),
        ["doc_to_text, document 2: gives None, not a text"],
    ),
    "a choice that is null": (
        document(1, choices=["yes", None]),
        ["doc_to_choice, document 1: choice 1 is None, not a text"],
    ),
    "a template of choices that is none": (
        edit(doc_to_choice="chioces"),
        ["doc_to_choice, document 0: gives 'chioces', which is not written as a list"],
    ),
    "a negative label": (document(2, answer=-1), ["doc_to_target, document 2", "the label -1 is none"]),
    "a description that is no text": (edit(description="answer"), ["description, document 0: gives 0"]),
    "undefined variable": (
        edit(doc_to_text="{{qestion}}"),
        ["doc_to_text, document 0", "'qestion' is undefined", "the document has question, choices, answer"],
    ),
    "one document's choices": (document(3, choices=[]), ["doc_to_choice, document 3"]),
    "misspelled target": (edit(doc_to_target="anwser"), ["doc_to_target, document 0", "'anwser' is none"]),
    "label beyond the choices": (document(2, answer=7), ["doc_to_target, document 2", "the label 7 is none"]),
    "empty split": (empty_split, ["test_split", "split 'test' has no documents"]),
    "damaged data": (damaged_line, ["test.jsonl", "line 2 is not JSON"]),
    "a document that is no object": (
        lambda lab: lab.write_data("broken", [[1]]),
        ["test_split", "test.jsonl", "line 1 is not a JSON object"],
    ),
    "a data path that is none": (edit(dataset_path=""), ["dataset_path: dataset ''"]),
    "too many examples": (edit(num_fewshot=9), ["num_fewshot: 9 few-shot examples need 9 documents"]),
    "failing function": (
        function("def process(docs): return 1 / 0\n"),
        ["process_docs", "ZeroDivisionError"],
    ),
    "documents that are none": (
        function("def process(docs): return None\n"),
        ["process_docs: gives None, not documents"],
    ),
    "scores that are none": (
        function("def process(doc, results): return None\n", "process_results"),
        ["scoring, document 0: process_results gives None, not a mapping of metric names"],
    ),
    "failing process_results": (
        function("def process(doc, results): return {'acc': doc['gone']}\n", "process_results"),
        ["document 0", "'gone'", "the document has question, choices, answer"],
    ),
}

# What is wrong with a task that no document has to be looked at for: nothing is asked of any task.
MISWRITTEN: dict[str, tuple[Break, list[str]]] = {
    "template syntax": (edit(doc_to_text="{{question"), ["doc_to_text", "TemplateSyntaxError"]),
    "no target": (edit(doc_to_target=None), ["doc_to_target: is missing"]),
    "missing split": (edit(test_split="tset"), ["no split 'tset'", "there are: test"]),
    "stop sequences that are none": (
        edit(output_type="generate_until", generation_kwargs={"until": 5}),
        ["generation_kwargs: `until` wants a text or a list of texts, not 5"],
    ),
    "unknown sampler": (
        edit(num_fewshot=1, fewshot_config={"sampler": "frst_n"}),
        ["fewshot_config.sampler: unknown few-shot sampler 'frst_n'; there are: default, first_n"],
    ),
    "a metric of another kind of answer": (
        edit(metric_list=[{"metric": "bleu"}]),
        ["metric_list: bleu gives no score where output_type is multiple_choice"],
    ),
    "no metric": (edit(metric_list=[]), ["metric_list: is empty; leave it out for acc, acc_norm"]),
    "no filter pipeline": (edit(filter_list=[]), ["filter_list: is empty"]),
    "unknown filter": (
        edit(filter_list=[{"name": "f", "filter": [{"function": "regx"}]}]),
        ["filter_list, f", "regx"],
    ),
    "unknown metric": (edit(metric_list=[{"metric": "acuracy"}]), ["metric_list", "acuracy"]),
    "missing function": (function("def other(docs): return docs\n"), ["!function code.process"]),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_task_fails_alone_and_says_where(lab: Lab, kind: str) -> None:
    lab.add_choices("broken", 4)
    lab.add_texts("sums", 3)
    break_it, named = BROKEN[kind]
    break_it(lab)
    result = lab.evaluate("broken,sums", trust_task_code=True)
    assert list(result.failures) == ["broken"]
    message = result.failures["broken"]
    for part in ("broken", *named):
        assert part in message
    assert message.endswith(f"(in {lab.tasks / 'broken.yaml'})")
    assert len(message.splitlines()) <= 2
    assert list(result.results["results"]) == ["sums"]
    assert result.results["assay"]["failed"] == {"broken": message}


@pytest.mark.parametrize("kind", MISWRITTEN)
def test_a_miswritten_task_is_said_before_prefect_starts_and_leaves_no_folder(
    lab: Lab, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    monkeypatch.setattr(PrefectApi, "connected", None)
    lab.add_choices("broken", 4)
    lab.add_texts("sums", 3)
    break_it, named = MISWRITTEN[kind]
    break_it(lab)
    asked = [f"--include-path={lab.tasks}", f"--data-root={lab.data}", f"--output={lab.results}"]
    command = ["--model=scripted:hash", "--tasks=sums,broken", *asked, "--trust-task-code"]
    assert main(command) == 2
    said = capsys.readouterr().err
    for part in ("error: broken", *named, f"(in {lab.tasks / 'broken.yaml'})"):
        assert part in said
    assert len(said.strip().splitlines()) <= 2
    assert not lab.results.exists()


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


# What keeps the command from starting, and what its one line must name: file and key.
REFUSED: dict[str, tuple[Break, list[str]]] = {
    "unknown key": (edit(doc_to_txt="x"), ["`doc_to_txt`: unknown key; did you mean 'doc_to_text'"]),
    "wrong type": (edit(metric_list="acc"), ["`metric_list`: wants a list, not 'acc'"]),
    "no module": (raw("process_docs: !function gone.f"), ["`process_docs`: !function gone.f", "no gone.py"]),
    "no template": (raw("include: gone"), ["`include`: ", "gone cannot be read: No such file"]),
    "a cycle of includes": (raw("include: broken.yaml"), ["include cycle: ", "broken.yaml -> "]),
    "no YAML": (raw("x: ["), ["not readable as YAML"]),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_task_file_that_is_wrong_is_said_before_anything_is_asked(
    lab: Lab, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    file = lab.add_choices("broken", 4)
    break_it, named = REFUSED[kind]
    break_it(lab)
    asked = [
        "--tasks=broken",
        f"--include-path={lab.tasks}",
        f"--data-root={lab.data}",
        f"--output={lab.results}",
    ]
    assert main(["--model=scripted:hash", *asked]) == 2
    said = capsys.readouterr().err
    for part in (str(file), *named):
        assert part in said
    assert len(said.strip().splitlines()) == 1


def test_two_tasks_of_one_name_and_a_key_that_is_there_twice_are_said_where_they_are_asked_for(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    first = lab.add_choices("twice", 2)
    second = lab.tasks / "zwice.yaml"
    second.write_text(first.read_text())
    first.write_text(f"{first.read_text()}num_fewshot: 1\nnum_fewshot: 0\n")
    lab.add_texts("once", 2)
    assert lab.evaluate("once").failures == {}
    assert "warning" not in capsys.readouterr().err
    assert lab.evaluate("twice").failures == {}
    said = capsys.readouterr().err
    assert f"warning: twice: {first} counts, {second} defines it once more\n" in said
    assert "`num_fewshot` is there twice; the last one counts\n" in said


def test_a_missing_dataset_is_named_with_where_it_was_looked_for(lab: Lab) -> None:
    lab.add_choices("broken", 4, dataset_path="no_such/dataset")
    lab.add_texts("sums", 3)
    ended = lab.run(tasks="broken,sums", HF_HUB_OFFLINE="1")
    assert ended.status == 1
    message = lab.last["assay"]["failed"]["broken"]
    assert "'no_such/dataset' (default, split 'test')" in message
    assert "--data-root" in message
    assert message.startswith("broken: dataset_path: ")
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
    with pytest.raises(TaskError, match="--trust-task-code"):
        lab.evaluate("broken")
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


# Code that scores, and what of it is not here. Each is seen only where a document is scored.
WANTING = {
    "a package": ("import no_such_package", "no_such_package"),
    "data of NLTK": (
        "import nltk; nltk.data.find('corpora/no_such_corpus')",
        "python -m nltk.downloader no_such_corpus",
    ),
    "a file": ("open('/no/such/file.json')", "/no/such/file.json"),
    "a package of some documents": (
        "if doc['answer'] == '7':\n        import no_such_package",
        "no_such_package",
    ),
    "any answer": ("doc['gone']", "the document has question, answer"),
    "a place in a file": ("return {'acc': {(1, 2): 3}}", "samples cannot be written"),
}


@pytest.mark.parametrize("kind", WANTING)
def test_what_scoring_lacks_is_known_before_a_question_is_asked(lab: Lab, kind: str) -> None:
    lab.add_texts("sums", 8)
    lab.add_texts("other", 2)
    body, named = WANTING[kind]
    (lab.tasks / "code.py").write_text(f"def process(doc, results):\n    {body}\n    return {{'acc': 1.0}}\n")
    file = lab.tasks / "sums.yaml"
    file.write_text(f"{file.read_text()}process_results: !function code.process\n")
    said = lab.evaluate("sums,other", trust_task_code=True).failures["sums"]
    assert named in said
    assert lab.asked == 2


def test_a_task_alone_that_lacks_something_is_refused(lab: Lab) -> None:
    lab.add_texts("sums", 2)
    (lab.tasks / "code.py").write_text(
        "import nltk\ndef process(doc, results):\n    return {'acc': len(nltk.pos_tag(results))}\n"
    )
    file = lab.tasks / "sums.yaml"
    file.write_text(f"{file.read_text()}process_results: !function code.process\n")
    ended = lab.run("--trust-task-code", tasks="sums")
    assert ended.status == 2
    assert ended.errors == (
        "error: sums: its Python reads NLTK's averaged_perceptron_tagger_eng, which is not here: "
        "python -m nltk.downloader averaged_perceptron_tagger_eng\n"
    )
    assert lab.asked == 0
    assert not lab.results.exists()


def test_a_trial_answer_draws_from_no_generator_of_the_task(lab: Lab) -> None:
    lab.add_texts("sums", 3)
    (lab.tasks / "code.py").write_text(
        "import random\nown = random.Random(7)\n"
        "def process(doc, results):\n    return {'drawn': own.random(), 'of_all': random.random()}\n"
    )
    file = lab.tasks / "sums.yaml"
    file.write_text(f"{file.read_text()}process_results: !function code.process\n")
    samples = lab.evaluate("sums", trust_task_code=True).samples("sums")
    own, of_all = random.Random(7), random.Random(0)
    assert list(samples["drawn"]) == [own.random() for _ in range(3)]
    assert list(samples["of_all"]) == [of_all.random() for _ in range(3)]
