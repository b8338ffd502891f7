"""Task code has a main thread of its own: it may use signals, and where it ends its process, hangs or takes
all memory, its task fails with a message that names the document, and takes no other with it."""

import signal
from typing import Any

import pytest

from flows.results.evaluation_result import EvaluationResult
from tests.support.lab import Lab

CODE = """
import os, signal, time

HERE = os.path.dirname(__file__)


def at_last_document(act):
    def scores(doc, results):
        if doc["answer"] == "2":
            act()
        return {"score": 1.0}
    return scores


def spin():
    while True:
        pass


def eat():
    taken = []
    while True:
        taken.append(bytearray(2**24))


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_once():
    try:
        open(os.path.join(HERE, "killed"), "x")
    except FileExistsError:
        return
    kill()


exits = at_last_document(lambda: os._exit(3))
crashes = at_last_document(lambda: os.kill(os.getpid(), signal.SIGSEGV))
spins = at_last_document(spin)
eats = at_last_document(eat)
dies = at_last_document(kill)
dies_once = at_last_document(kill_once)


def exits_on_prompt(doc):
    if doc["answer"] == "2":
        os._exit(4)
    return doc["question"]


def by_signals(doc, results):
    def late(number, frame):
        raise TimeoutError
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        if doc["answer"] == "0":
            spin()  # has so much time of the processor
        time.sleep(0.5)  # and so much more by the clock, as on a busy machine
        return {"score": 1.0}
    except TimeoutError:
        return {"score": 0.0}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
"""
SCORED_BY = ("exits", "crashes", "spins", "eats", "dies", "dies_once", "by_signals")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    (lab.tasks / "code.py").write_text(CODE)
    metric = {"metric": "score", "aggregation": "mean", "higher_is_better": True}
    for name in SCORED_BY:
        add(lab, name, process_results=f"code.{name}", metric_list=[metric])
    add(lab, "exits_on_prompt", doc_to_text="code.exits_on_prompt")
    lab.add_texts("other", 3)
    tasks = ",".join((*SCORED_BY, "exits_on_prompt", "other"))
    return lab.evaluate(tasks, trust_task_code=True, doc_seconds=1, doc_memory=0.25)


def add(lab: Lab, name: str, **functions: Any) -> None:
    """A task with functions of the code file."""
    lab.add_texts(name, 3, **functions)
    file = lab.tasks / f"{name}.yaml"
    file.write_text(file.read_text().replace(": code.", ": !function code."))


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("exits", "scoring, document 2: ended its process (exit status 3)"),
        ("crashes", f"scoring, document 2: its process was killed by {signal.SIGSEGV.name}"),
        ("spins", "scoring, document 2: took more than 1 s of processor time"),
        ("eats", "scoring, document 2: took "),
        ("dies", "scoring, document 2: its process was killed by SIGKILL"),
        ("exits_on_prompt", "doc_to_text, document 2: ended its process (exit status 4)"),
    ],
)
def test_a_task_whose_code_ends_badly_names_the_document(
    task: str, reason: str, result: EvaluationResult
) -> None:
    assert result.failures[task].startswith(f"{task}: {reason}")
    assert result.failures[task].endswith(f"{task}.yaml)")


def test_what_is_killed_from_outside_is_tried_again(result: EvaluationResult) -> None:
    assert result.results["results"]["dies_once"]["score,number"] == 1.0


def test_alarms_count_processor_time(result: EvaluationResult) -> None:
    assert list(result.samples("by_signals")["score"]) == [0.0, 1.0, 1.0]


def test_other_tasks_are_scored(result: EvaluationResult) -> None:
    assert "other" in result.results["results"]
    assert set(result.failures) == {"exits", "crashes", "spins", "eats", "dies", "exits_on_prompt"}
