"""What task and group files may say, one feature a task, on small data made for it."""

from pathlib import Path

import pytest

from tests.parity import synthetic
from tests.parity.oracle import GROUP_OF_GROUPS, SEED_OF_OURS, STDERR_OF_OURS, Both, Case, run_recorded

pytestmark = [pytest.mark.parity, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic")
    synthetic.write(root)
    return root


def run(
    folder: Path, tasks: tuple[str, ...], output: Path, iterations: int = 100_000, **options: object
) -> Both:
    return run_recorded(Case(tasks, (folder / "data",), folder / "tasks", options, iterations), output)


@pytest.fixture(scope="module")
def all_tasks(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What differs in one run of all tasks."""
    both = run(folder, tuple(synthetic.TASKS), tmp_path_factory.mktemp("output"))
    return both.differences(STDERR_OF_OURS, SEED_OF_OURS)


@pytest.mark.parametrize("task", synthetic.TASKS)
def test_a_feature_of_task_files_means_what_it_means_to_lm_eval(task: str, all_tasks: list[str]) -> None:
    assert [line for line in all_tasks if line.startswith(f"{task}, ") or f"/{task}" in line] == []


def test_nothing_else_differs(all_tasks: list[str]) -> None:
    assert all_tasks == []


@pytest.mark.parametrize("group", synthetic.GROUPS)
def test_a_group_is_scored_as_lm_eval_scores_it(group: str, folder: Path, tmp_path: Path) -> None:
    assert run(folder, (group,), tmp_path).differences(STDERR_OF_OURS, GROUP_OF_GROUPS) == []


def test_a_tag_stands_for_its_tasks(folder: Path, tmp_path: Path) -> None:
    both = run(folder, ("parity_tag",), tmp_path)
    assert list(both.ours.results["results"]) == ["large", "small"]
    assert both.differences() == []


def test_scores_over_the_corpus_of_choices_are_lm_evals(folder: Path, tmp_path: Path) -> None:
    # without standard errors: lm-eval's take a minute; tests/metrics compares those
    both = run(folder, ("f1_and_mcc",), tmp_path, iterations=0)
    assert both.differences(r"_stderr,none: lm-eval 'N/A'") == []


def test_examples_asked_for_on_the_command_line_are_lm_evals(folder: Path, tmp_path: Path) -> None:
    tasks = ("default_choice_metrics", "choices_in_the_prompt", "several_targets", "inline_examples")
    assert run(folder, tasks, tmp_path, num_fewshot=3, seed=99).differences() == []


def test_a_limit_beyond_the_documents_is_no_limit(folder: Path, tmp_path: Path) -> None:
    assert run(folder, ("small", "large"), tmp_path, limit=12).differences() == []
