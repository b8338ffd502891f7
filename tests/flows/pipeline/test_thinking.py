"""A thinking model through a whole run: what is scored, what is kept, and what is said of it."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.protocol import Capabilities
from flows.cli.evaluate_command import main
from flows.evaluate import evaluate
from flows.results.evaluation_result import EvaluationResult
from flows.results.remarks import Truncation
from flows.specs.evaluation import EvaluationSpec

pytestmark = pytest.mark.usefixtures("prefect_server", "home")

TASK = """task: sums
dataset_path: sums
test_split: test
output_type: generate_until
doc_to_text: "{{question}} ="
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 16}
filter_list:
  - name: number
    filter: [{function: regex, regex_pattern: "(\\\\d+)"}, {function: take_first}]
metric_list: [{metric: exact_match}]
"""
CHOICES = """task: picks
dataset_path: sums
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}} ="
doc_to_target: answer
doc_to_choice: ["0", "1", "2", "3", "4", "5", "6", "7"]
"""
ANSWERS = {
    "1 + 1 =": "One and one.\nSo not 3.</think>\n\n2\nnext: 9",
    "1 + 2 =": "3",
    "1 + 3 =": {"status": "truncated", "text": "Is it 4?\nLet me"},
    "1 + 4 =": {"status": "truncated", "text": "Five.</think>5 and so on and"},
    "*": -1.0,
}

Run = Callable[..., EvaluationResult]


@pytest.fixture
def keys(tmp_path: Path, no_installed_catalog: None) -> dict[str, object]:
    """What all runs here are asked, but for the mark."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/sums.yaml").write_text(TASK)
    (tmp_path / "tasks/picks.yaml").write_text(CHOICES)
    data = tmp_path / "data/sums/default"
    data.mkdir(parents=True)
    rows = [{"question": f"1 + {n}", "answer": 1 + n} for n in (1, 2, 3, 4)]
    (data / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    return {
        "model": f"scripted:{tmp_path}/answers.json?log={tmp_path}/asked",
        "tasks": "sums",
        "include_path": str(tmp_path / "tasks"),
        "data_root": str(tmp_path / "data"),
        "output": str(tmp_path / "results"),
    }


def run(keys: dict[str, object], mark: str | None = "</think>", **more: object) -> EvaluationResult:
    return evaluate(EvaluationSpec.model_validate({**keys, "end_of_thinking": mark, **more}))


def score(result: EvaluationResult) -> float:
    value: float = result.results["results"]["sums"]["exact_match,number"]
    return value


def test_only_what_follows_the_mark_is_scored_and_all_is_kept(keys: dict[str, object]) -> None:
    result = run(keys)
    samples = result.samples("sums")
    assert list(samples["resps"]) == [[["2"]], [["3"]], [[""]], [["5 and so on and"]]]
    assert list(samples["thinking"]) == [
        [["One and one.\nSo not 3."]],
        [[None]],
        [["Is it 4?\nLet me"]],
        [["Five."]],
    ]
    assert list(samples["status"]) == ["answer", "answer", "truncated", "truncated"]
    assert list(samples["exact_match"]) == [1, 1, 0, 1]
    assert score(result) == 0.75


def test_answers_that_were_cut_off_are_counted_and_said(
    keys: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="assay"):
        result = run(keys)
    assert result.truncations == {"sums": Truncation(answers=4, truncated=2, while_thinking=1)}
    own = result.results["assay"]["tasks"]["sums"]
    assert (own["truncated"], own["truncated_while_thinking"]) == (2, 1)
    line = "sums: 2 of 4 answers were cut off, 1 of them while thinking"
    assert line in result.table().splitlines()
    assert line in caplog.messages


def test_the_command_says_it_under_its_table(
    keys: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in keys.items()]
    assert main([*flags, "--end-of-thinking=</think>"]) == 0
    out = capsys.readouterr().out
    assert out.index("exact_match") < out.index("2 of 4 answers were cut off, 1 of them")


def test_in_compat_thinking_that_was_cut_off_is_scored_as_lm_eval_scores_it(keys: dict[str, object]) -> None:
    result = run(keys, compat="lm-eval")
    samples = result.samples("sums")
    assert list(samples["resps"]) == [[["2"]], [["3"]], [["Is it 4?"]], [["5 and so on and"]]]
    assert score(result) == 1.0
    assert result.truncations["sums"].while_thinking == 1


def test_another_mark_is_another_question_and_choices_have_none(
    keys: dict[str, object], tmp_path: Path
) -> None:
    def asked() -> int:
        return len((tmp_path / "asked").read_text().splitlines())

    both = {"tasks": "sums,picks"}
    first = run(keys, None, **both)
    assert "thinking" not in first.samples("sums")
    before = asked()
    assert before == 4 + 4 * 8
    again = run(keys, **both)
    assert asked() == before + 4
    assert again.results["results"]["picks"] == first.results["results"]["picks"]
    run(keys, **both)
    assert asked() == before + 4


def test_a_model_that_does_not_part_thinking_is_refused(
    keys: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = "from backends.simple.scripted import *\nclass Plain(ScriptedBackend):\n"
    code += "    def __init__(self): super().__init__('hash')\n"
    code += f"    capabilities = {Capabilities.__name__}(ANYTHING.kinds)\n"
    (tmp_path / "plain_backend.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in keys.items()]
    assert main([*flags, "--model=custom:plain_backend:Plain", "--end-of-thinking=</think>"]) == 2
    assert "--end-of-thinking" in capsys.readouterr().err
