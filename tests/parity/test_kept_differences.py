"""Where Assay does not follow lm-eval on purpose, and `compat` that does (docs/lm-eval.md)."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.parity.oracle import Both, Case, run_recorded

pytestmark = [pytest.mark.parity, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

# Its examples come from the evaluated split, which lm-eval does not notice.
TASK = """
task: falls_back
dataset_path: falls_back
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: ['no', 'yes']
doc_to_target: gold
fewshot_config: {sampler: SAMPLER}
"""
ROWS = 12


def run(folder: Path, sampler: str, task: str = TASK, score: float | None = None, **options: object) -> Both:
    """score: a field of all documents that no prompt shows."""
    data = folder / "data/falls_back/default"
    data.mkdir(parents=True)
    rows = [{"question": f"<{number}>", "gold": number % 2, "score": score} for number in range(ROWS)]
    parquet.write_table(pa.Table.from_pylist(rows), data / "test.parquet")
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks/falls_back.yaml").write_text(task.replace("SAMPLER", sampler))
    case = Case(("falls_back",), (folder / "data",), folder / "tasks", {"num_fewshot": 3, **options})
    return run_recorded(case, folder / "output")


def prompts(both: Both) -> tuple[list[str], list[str]]:
    """Of each document: lm-eval's and ours."""
    ours = both.ours.samples("falls_back")["arguments"]
    return [one["arguments"][0][0] for one in both.theirs["samples"]["falls_back"]], [
        one[0][0] for one in ours
    ]


@pytest.mark.parametrize("sampler", ["default", "first_n"])
def test_only_prompts_that_would_give_their_own_answer_away_differ(sampler: str, tmp_path: Path) -> None:
    theirs, ours = prompts(run(tmp_path, sampler))
    given_away = {number for number in range(ROWS) if theirs[number].count(f"<{number}>") > 1}
    differ = {number for number in range(ROWS) if theirs[number] != ours[number]}
    assert given_away
    assert differ == given_away
    for number, prompt in enumerate(ours):
        assert prompt.count(f"<{number}>") == 1
        assert prompt.count("<") == 4


@pytest.mark.parametrize("sampler", ["default", "first_n"])
def test_with_compat_all_prompts_are_lm_evals(sampler: str, tmp_path: Path) -> None:
    assert run(tmp_path, sampler, compat="lm-eval").differences() == []


SAME_SPLIT = f"{TASK}\nfewshot_split: test\n"


@pytest.mark.parametrize("sampler", ["default", "first_n"])
def test_a_nan_in_documents_changes_nothing(sampler: str, tmp_path: Path) -> None:
    _, without = prompts(run(tmp_path / "a", sampler, SAME_SPLIT, score=1.0))
    theirs, ours = prompts(run(tmp_path / "b", sampler, SAME_SPLIT, score=float("nan")))
    assert any(theirs[number].count(f"<{number}>") > 1 for number in range(ROWS))
    assert ours == without


def test_with_compat_a_nan_hides_a_document_as_in_lm_eval(tmp_path: Path) -> None:
    assert run(tmp_path, "first_n", SAME_SPLIT, float("nan"), compat="lm-eval").differences() == []


def test_a_label_that_is_no_choice_fails_the_task_but_in_compat(tmp_path: Path) -> None:
    label = "doc_to_target: '{{gold + 2 * (question == \"<5>\")}}'"
    task = TASK.replace("doc_to_target: gold", label)
    assert (
        "document 5: the label 3 is none"
        in run(tmp_path / "a", "default", task, num_fewshot=0).ours.failures["falls_back"]
    )
    assert run(tmp_path / "b", "default", task, num_fewshot=0, compat="lm-eval").differences() == []
