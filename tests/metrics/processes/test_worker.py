"""A process that is asked line by line, and what becomes of a question whose process ends."""

import os
from pathlib import Path

import pytest

from metrics.errors import MetricError
from metrics.processes.worker import Worker
from tests.support.paths import ROOT

# Answers a number with itself; of a name, the file of it says that it was asked before.
MODULE = """
import os, signal, sys, json

def main():
    print("true", flush=True)
    for line in sys.stdin:
        (asked,) = json.loads(line)
        if asked == "spins":
            signal.raise_signal(signal.SIGPROF)
        if asked == "dies":
            os._exit(3)
        if asked != "once" or os.path.exists("asked"):
            print(json.dumps(asked), flush=True)
        else:
            open("asked", "x").close()
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    (tmp_path / "a_worker.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(tmp_path)]))
    monkeypatch.chdir(tmp_path)
    return Worker("a_worker")


def test_too_much_processor_time_is_no_answer(worker: Worker) -> None:
    assert worker.ask(["spins"]) is None
    assert worker.ask([7]) == 7


def test_a_question_whose_process_was_killed_is_asked_again(worker: Worker) -> None:
    assert worker.ask(["once"]) == "once"


def test_a_process_that_ends_twice_is_an_error_and_no_answer(worker: Worker) -> None:
    with pytest.raises(MetricError, match="a_worker ended with status 3, twice, over"):
        worker.ask(["dies"])
    assert worker.ask([7]) == 7
