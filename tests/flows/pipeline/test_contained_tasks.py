"""Tasks whose own Python runs answers as code are scored in a sandbox: to the same numbers, and of what an
answer does there nothing is left but its own task's scores."""

import json
import socket
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.common.errors import SpecError
from flows.results.evaluation_result import EvaluationResult
from flows.results.run_folder import RunFolder
from flows.results.samples_file import read_samples
from metrics.errors import MetricError
from metrics.sandbox.pick import sandbox_of
from tasks_lib.code.answers_as_code import AnswersAsCode
from tests.support.lab import Lab
from tests.support.waiting import PATIENCE, until

METRICS = [{"metric": name, "aggregation": "mean"} for name in ("score", "length")]
CODE = """
import logging, os

HERE = os.path.dirname(__file__)


def scores(doc, results):
    with open(os.path.join(HERE, "weight")) as file:  # what lies beside it is seen
        weight = float(file.read())
    answer = results[0]
    if answer.startswith("!"):
        exec(answer[1:])
    value = eval(answer) if answer[:1].isdigit() else None
    if value is None:
        logging.getLogger("task").warning("cannot read %r", answer)
    return {
        "score": float(value == int(doc["answer"])) * weight,
        "length": float("nan") if value is None else len(answer),
        "nested": (value, {"of": [answer]}),
    }


def spread(values):
    return float(len({value for value, _ in values}))
"""


@pytest.fixture(scope="module", autouse=True)
def _sandbox() -> None:
    try:
        sandbox_of("bwrap", allows_none=False)
    except MetricError as error:
        pytest.skip(f"there is no bubblewrap that works here: {error}")


@pytest.fixture
def evals(lab: Lab) -> Lab:
    """A lab with a task `evals`, whose Python evaluates answers, and another one, `other`."""
    (lab.tasks / "code.py").write_text(CODE)
    (lab.tasks / "weight").write_text("0.5")
    lab.add_texts("other", 3)
    metrics = [*METRICS, {"metric": "nested", "aggregation": "SPREAD"}]
    generation = {"until": [], "max_gen_toks": 8}
    keys = {"metric_list": metrics, "filter_list": None, "generation_kwargs": generation}
    file = lab.add_texts("evals", 3, process_results="SCORES", **keys)
    text = file.read_text().replace("SCORES", "!function code.scores")
    file.write_text(text.replace("SPREAD", "!function code.spread"))
    return lab


def run(lab: Lab, answers: dict[str, str], tasks: str = "evals", **keys: Any) -> EvaluationResult:
    """What becomes of answers, by the end of the prompts that they are to."""
    file = lab.home / f"answers-{len(list(lab.home.iterdir()))}.json"
    file.write_text(json.dumps(answers))
    return lab.evaluate(tasks, f"scripted:{file}", trust_task_code=True, **keys)


def prompt(document: int, task: str = "evals") -> str:
    return f"Question: {task} {document}?\nAnswer:"


def saying(message: object) -> str:
    """An answer that says something through all that its process has open."""
    line = f"{json.dumps(message)}\n".encode()
    return (
        "!\nfor at in range(3, 64):\n"
        f"    try:\n        os.write(at, {line!r})\n    except OSError:\n        pass\n"
    )


def rows(result: EvaluationResult, task: str = "evals") -> Any:
    return read_samples(RunFolder(result.folder).samples(task))


def score_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score as if no task ran its answers."""
    monkeypatch.setattr(AnswersAsCode, "run_by", lambda self, config: "nothing")


def test_scores_and_samples_are_those_of_scoring_without_a_sandbox(
    evals: Lab, other_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {prompt(0): "0+0", prompt(1): "3-2", "*": "no \ud800 number"}
    inside = run(evals, answers)
    score_outside(monkeypatch)
    outside = run(other_lab, answers)
    assert inside.failures == outside.failures == {}
    assert repr(inside.results["results"]) == repr(outside.results["results"])
    assert inside.results["results"]["evals"]["score,none"] == pytest.approx(1 / 3)
    assert inside.results["results"]["evals"]["nested,none"] == 3.0
    assert [scores(row) for row in rows(inside)] == [scores(row) for row in rows(outside)]


def scores(row: dict[str, Any]) -> str:
    """A sample without what depends on when it was asked."""
    return repr({name: value for name, value in row.items() if name != "seconds"})


def attacks(folder: Path, port: int) -> dict[str, str]:
    """Answers that write a file with what is in the environment, and connect to a server; by task."""
    wrote = "__import__('pathlib').Path({!r}).write_text(str(dict(__import__('os').environ)))"
    connects = f"__import__('socket').create_connection(('127.0.0.1',{port}),5)"
    longproc = f"[{wrote.format(str(folder / 'longproc'))},{connects}]and 1=1\n2+3=5\n4+5=9"
    boxed = f"Matrix([__import__('os').mkdir({str(folder / 'math')!r}),{connects}])"
    return {
        "longproc_countdown_0.5k": f"<Solution>{longproc}</Solution>",
        "cruxeval_output": f"assert f(0) == [{wrote.format(str(folder / 'cruxeval'))},{connects}]",
        "prompt_robustness_math_algebra": f"So it is $\\boxed{{{boxed}}}$.",
    }


@pytest.fixture
def catalog_data(tmp_path: Path) -> Path:
    """Made-up documents of those tasks."""
    metadata = json.dumps({"nums": [1, 2, 3, 4], "target": 10})
    made: dict[str, dict[str, str]] = {
        "PrincetonPli/LongProc/countdown_0.5k": {
            "input_prompt": "Which?",
            "reference_output": "# Search Procedure\na\nb",
            "metadata": metadata,
        },
        "cruxeval-org/cruxeval/default": {"code": "def f(a):\n    return a", "input": "0", "output": "0"},
        "EleutherAI/hendrycks_math/algebra": {
            "problem": "Which?",
            "solution": "$\\boxed{\\begin{pmatrix} 1 & 2 \\end{pmatrix}}$",
        },
    }
    for path, row in made.items():
        file = tmp_path / "documents" / path / "test.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(row))
    return tmp_path / "documents"


@pytest.mark.slow
@pytest.mark.parametrize("held", [True, False])
def test_answers_to_the_catalogs_tasks_do_nothing(
    held: bool,
    tmp_path: Path,
    catalog_data: Path,
    prefect_server: str,
    catalog_index: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And do all of it where they may."""
    pytest.importorskip("lm_eval")
    lab, left = Lab(tmp_path), tmp_path / "left"
    (lab.home / "catalog").symlink_to(catalog_index)
    left.mkdir()
    if not held:
        score_outside(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        for task, answer in attacks(left, server.getsockname()[1]).items():
            run(lab, {"*": answer}, task, data_root=[catalog_data], allow_unsafe_code=True)
            with pytest.raises(TimeoutError) if held else nullcontext():
                server.accept()
    assert sorted(file.name for file in left.iterdir()) == ([] if held else ["cruxeval", "longproc", "math"])


def test_an_answer_that_forges_scores_forges_those_of_its_task_alone(evals: Lab) -> None:
    score = {"metric": "score", "filter": "none", "value": 9.0, "stderr": None, "count": 3, "interval": None}
    scores = [{**score, "aggregation": None, "aggregation_options": {}}]
    said = saying({"gave": {"samples": [], "scores": scores, "higher_is_better": {}}})
    result = run(evals, {prompt(1): said, "*": "1"}, "evals,other")
    assert result.results["results"]["evals"]["score,none"] == 9
    assert "exact_match,number" in result.results["results"]["other"]
    assert len(rows(result, "other")) == 3


@pytest.mark.parametrize(
    "said",
    [
        {"gave": {"samples": [{"filter": "none", "filtered": [], "scores": {}}], "scores": []}},
        {"gave": {"samples": [{}] * 3, "scores": [], "higher_is_better": {}}},
        {"gave": {"samples": [], "scores": [], "higher_is_better": {"\x1b[31mred": True}}},
        {"gave": ["os", "system"]},
    ],
)
def test_what_is_no_scores_fails_the_task_alone(evals: Lab, said: Any) -> None:
    result = run(evals, {prompt(1): saying(said), "*": "1"}, "evals,other")
    assert result.failures == {
        "evals": "evals: its scoring gives something else than scores; did an answer meddle with it?"
    }
    assert "exact_match,number" in result.results["results"]["other"]


def test_an_answer_that_ends_its_process_is_named(evals: Lab) -> None:
    result = run(evals, {prompt(2): "!os._exit(3)", "*": "1"}, "evals,other")
    assert result.failures["evals"].startswith(
        "evals: scoring, document 2: ended its process (exit status 3) (in "
    )
    assert list(result.failures) == ["evals"]


def test_what_an_answer_has_started_ends_with_a_run_that_is_killed(evals: Lab) -> None:
    (evals.home / "answers.json").write_text(
        json.dumps({"*": "!import subprocess\nsubprocess.run(['/usr/bin/sleep', '7654.4321'])"})
    )
    run = evals.start("--trust-task-code", tasks="evals", model=f"scripted:{evals.home / 'answers.json'}")
    assert until(lambda: is_running("7654.4321"), seconds=PATIENCE)
    run.kill()
    run.communicate(timeout=PATIENCE)
    assert until(lambda: not is_running("7654.4321"), seconds=30)


def is_running(word: str) -> bool:
    """Whether a process has this among its arguments."""
    return any(word in (one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))


def test_it_is_refused_before_anything_is_asked_where_no_sandbox_holds(
    evals: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    sandbox_of.cache_clear()
    said = r"^evals runs code that the model writes: bwrap is not installed.*--allow-unsafe-code"
    with pytest.raises(SpecError, match=said):
        run(evals, {"*": "1"})
    assert not any(evals.results.glob("*"))
