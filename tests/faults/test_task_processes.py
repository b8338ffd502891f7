"""Task code has a main thread of its own: it may use signals, and where it ends its process, hangs or takes
all memory, its task fails with a message that names the document, and takes no other with it."""

import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flows.planning.task_calls import processes
from flows.results.evaluation_result import EvaluationResult
from tests.support.lab import Lab
from tests.support.servers.process import runs
from tests.support.waiting import PATIENCE, until

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
waits = at_last_document(lambda: time.sleep(900))
dies = at_last_document(kill)
dies_once = at_last_document(kill_once)


def exits_on_prompt(doc):
    if doc["answer"] == "2":
        os._exit(4)
    return doc["question"]


def through_a_set(doc):
    return " ".join({"red", "green", "blue", "seven", "north", "Anna", "hare", "quick"})


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
LOOP = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
REASONS = {
    "exits": "scoring, document 2: ended its process (exit status 3)",
    "eats": "scoring, document 2: took ",
    "spins_on_prompt": "doc_to_text, document 2: took more than 0.5 s of processor time",
}
OTHER_REASONS = {
    "spins": "scoring, document 2: took more than 0.5 s of processor time",
    "crashes": f"scoring, document 2: its process was killed by {signal.SIGSEGV.name}",
    "waits": "scoring, document 2: waited for more than 5 s",
    "dies": "scoring, document 2: its process was killed by SIGKILL",
    "exits_on_prompt": "doc_to_text, document 2: ended its process (exit status 4)",
}
METRIC = {"metric": "score", "aggregation": "mean", "higher_is_better": True}


def evaluated(root: Path, tasks: Iterable[str]) -> EvaluationResult:
    """A run of tasks whose names say what their code does, and of another one."""
    lab = Lab(root)
    (lab.tasks / "code.py").write_text(CODE)
    add(lab, "exits_on_prompt", doc_to_text="code.exits_on_prompt")
    add(lab, "spins_on_prompt", doc_to_text=f"{{% if answer == '2' %}}{LOOP}{{% endif %}}{{{{question}}}}")
    for name in {*tasks} - {"exits_on_prompt", "spins_on_prompt"}:
        add(lab, name, process_results=f"code.{name}", metric_list=[METRIC])
    lab.add_texts("other", 3)
    return lab.evaluate(",".join((*tasks, "other")), trust_task_code=True, doc_seconds=0.5, doc_memory=0.25)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> EvaluationResult:
    return evaluated(tmp_path_factory.mktemp("lab"), (*REASONS, "dies_once", "by_signals"))


def add(lab: Lab, name: str, **functions: Any) -> None:
    """A task with functions of the code file."""
    lab.add_texts(name, 3, **functions)
    file = lab.tasks / f"{name}.yaml"
    file.write_text(file.read_text().replace(": code.", ": !function code."))


def check(result: EvaluationResult, reasons: Mapping[str, str]) -> None:
    """Tasks failed for these reasons, each with its file, and no other."""
    assert result.failures.keys() == reasons.keys()
    for task, reason in reasons.items():
        assert result.failures[task].startswith(f"{task}: {reason}")
        assert result.failures[task].endswith(f"{task}.yaml)")
    assert "other" in result.results["results"]


def test_a_task_whose_code_ends_badly_names_the_document(result: EvaluationResult) -> None:
    check(result, REASONS)


@pytest.mark.slow
def test_so_it_does_whatever_ends_it(tmp_path: Path, prefect_server: str) -> None:
    check(evaluated(tmp_path, OTHER_REASONS), OTHER_REASONS)


def test_what_is_killed_from_outside_is_tried_again(result: EvaluationResult) -> None:
    assert result.results["results"]["dies_once"]["score,number"] == 1.0


def test_what_goes_through_a_set_has_one_order_in_every_process(tmp_path: Path, prefect_server: str) -> None:
    lab = Lab(tmp_path)
    (lab.tasks / "code.py").write_text(CODE)
    add(lab, "sets", doc_to_text="code.through_a_set")
    prompts = set()
    for limit in (1, 2, 3):  # each is prepared anew, in a process of its own
        processes().end()
        samples = lab.evaluate("sets", trust_task_code=True, limit=limit).samples("sets")
        prompts |= {asked[0][0] for asked in samples["arguments"]}
    assert len(prompts) == 1


def test_alarms_count_processor_time(result: EvaluationResult) -> None:
    assert list(result.samples("by_signals")["score"]) == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGINT])
def test_task_code_ends_with_its_run(signal_sent: signal.Signals, tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    at_work = tmp_path / "at work"
    (lab.tasks / "code.py").write_text(
        "import os, subprocess, time\n"
        "def scores(doc, results):\n"
        "    below = subprocess.Popen(['sleep', '900'])\n"
        f"    with open({str(at_work)!r} + '.new', 'w') as file:\n"
        "        file.write(f'{os.getpid()} {below.pid}')\n"
        f"    os.rename({str(at_work)!r} + '.new', {str(at_work)!r})\n"
        "    time.sleep(900)\n"
    )
    add(lab, "waits", process_results="code.scores", metric_list=[METRIC])
    # Python that starts processes is scored in a sandbox, where there is nothing of the lab to write to.
    process = lab.start("--trust-task-code", "--sandbox=none", "--allow-unsafe-code", tasks="waits")
    assert until(at_work.exists, seconds=PATIENCE)
    process.send_signal(signal_sent)
    process.communicate(timeout=PATIENCE)
    own, below = map(int, at_work.read_text().split())
    assert until(lambda: not runs(own) and not runs(below), seconds=30)
