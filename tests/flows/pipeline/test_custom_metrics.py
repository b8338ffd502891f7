"""Metrics of one's own in whole runs: `metric: custom:module:name`."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import EvaluationSpec, evaluate
from flows.results.evaluation_result import EvaluationResult
from tasks_lib.errors import TaskError

pytestmark = pytest.mark.usefixtures("prefect_server", "home")

MODULE = """
from metrics.scores.metric import Metric

def length(target, text):
    return len(text)

def both(items):
    target, text = items
    return {"of_target": len(target), "of_text": len(text)}

def scaled(references, predictions, by=1):
    return by * len(references[0])

def _margin(answered):
    return max(answered.lls) - min(answered.lls)

def _longer(answer, *, than=0):
    return float(len(answer.targets[0]) > than)

MARGIN = Metric("margin", higher_is_better=False, aggregation="median", of_choices=_margin)
LONGER = Metric("longer", of_generation=_longer, of_choices=_margin)
NOTHING = 3
"""

Run = Callable[..., EvaluationResult]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of a task with this metric; its file is in a folder of its own, the module elsewhere."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "of_ones_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    monkeypatch.delitem(sys.modules, "of_ones_own", raising=False)  # of another test
    rows = '{"q": "one", "a": "x", "c": ["x", "yy"]}\n{"q": "two", "a": "xyz", "c": ["xyz", "z"]}\n'
    data = tmp_path / "data/made/default/test.jsonl"
    data.parent.mkdir(parents=True)
    data.write_text(rows)

    def evaluated(metric: str, own: str = "", trust: bool = True, tasks: str = "made") -> EvaluationResult:
        folder = tmp_path / "tasks"
        folder.mkdir(exist_ok=True)
        (folder / "made.yaml").write_text(
            "task: made\ndataset_path: made\ntest_split: test\ndoc_to_text: '{{q}}'\ndoc_to_target: a\n"
            f"metric_list: [{metric}]\n{own}"
        )
        given = {
            "model": "scripted:hash",
            "tasks": tasks,
            "include_path": str(folder),
            "trust_task_code": trust,
            "data_root": str(tmp_path / "data"),
            "output": str(tmp_path / "results"),
        }
        return evaluate(EvaluationSpec.model_validate(given))

    return evaluated


def scores(result: EvaluationResult) -> dict[str, float]:
    assert result.failures == {}
    table = result.frame()
    return dict(zip(table["metric"], table["value"], strict=True))


@pytest.mark.slow
def test_a_function_scores_texts_as_one_of_a_task_file_does(run: Run) -> None:
    assert scores(run("{metric: 'custom:of_ones_own:length'}"))["length"] > 0
    found = scores(run("{metric: 'custom:of_ones_own:both'}"))
    assert found["of_target"] == 2.0
    assert found["of_text"] > 0
    assert scores(run("{metric: 'custom:of_ones_own:scaled', by: 5}"))["scaled"] == 10.0


def test_an_entry_says_which_way_is_better_and_how_documents_become_one_number(run: Run) -> None:
    choices = "output_type: multiple_choice\ndoc_to_choice: c\ndoc_to_target: '{{c.index(a)}}'\n"
    result = run("{metric: 'custom:of_ones_own:MARGIN'}", choices)
    assert scores(result).keys() == {"margin"}
    assert result.results["higher_is_better"]["made"] == {"margin": False}
    samples = list(result.samples("made")["margin"])
    assert scores(result)["margin"] == max(samples)  # lm-eval's median of two


def refusal(call: Callable[[], object]) -> str:
    """What is said of a run that does not begin."""
    with pytest.raises(TaskError) as refused:
        call()
    return str(refused.value)


def test_an_entrys_options_are_checked_and_passed_on(run: Run) -> None:
    assert scores(run("{metric: 'custom:of_ones_own:LONGER', than: 1}"))["longer"] == 0.5
    failed = refusal(lambda: run("{metric: 'custom:of_ones_own:LONGER', thn: 1}"))
    assert "option of longer: 'thn': did you mean 'than'" in failed


def test_a_metric_runs_only_where_the_file_that_names_it_is_trusted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "code" / "of_ones_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{MODULE}")
    failed = refusal(lambda: run("{metric: 'custom:of_ones_own:length'}", trust=False))
    assert failed.startswith("made: metric_list: custom:of_ones_own:length in ")
    assert "--trust-task-code" in failed
    assert failed.endswith("made.yaml)")
    # A task that ships with the project is trusted; what a group of another folder says of it is not.
    (tmp_path / "tasks" / "over.yaml").write_text(
        "group: over\ntask: [{task: starter_math, metric_list: [{metric: 'custom:of_ones_own:length'}]}]\n"
    )
    failed = refusal(lambda: run("{metric: exact_match}", trust=False, tasks="over"))
    assert "--trust-task-code" in failed
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("custom:of_ones_own:lenght", "has no `lenght`"),
        ("custom:of_ones_own:NOTHING", "neither a `metrics.scores.metric.Metric` nor a function"),
    ],
)
def test_a_name_that_is_no_metric_is_said_with_the_file(run: Run, path: str, said: str) -> None:
    failed = refusal(lambda: run(f"{{metric: '{path}'}}"))
    assert said in failed
    assert failed.endswith("made.yaml)")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("custom:of_ones_own", "write it as `custom:package.module:name`"),
        ("custom:nowhere.at_all:length", "there is no module nowhere; is its folder on PYTHONPATH?"),
    ],
)
def test_a_path_that_leads_nowhere_is_said_before_the_run(run: Run, path: str, said: str) -> None:
    with pytest.raises(TaskError) as caught:
        run(f"{{metric: '{path}'}}")
    assert "made.yaml, task made: `metric_list`: " in str(caught.value)
    assert said in str(caught.value)


def test_scores_are_made_anew_when_the_code_of_a_metric_changes(run: Run, tmp_path: Path) -> None:
    before = scores(run("{metric: 'custom:of_ones_own:length'}"))["length"]
    code = tmp_path / "code" / "of_ones_own.py"
    code.write_text(MODULE.replace("return len(text)", "return 2 * len(text)"))
    result = run("{metric: 'custom:of_ones_own:length'}")
    assert scores(result)["length"] == 2 * before
    assert result.results["assay"]["requests_asked"] == 0
