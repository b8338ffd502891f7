"""Tasks of every family of lm-eval's catalog on both sides, without their data; docs/parity.md has all."""

from pathlib import Path

import pytest

from tests.parity.both_sides import Outcome, tasks_by_family
from tests.parity.whole_catalog import compare_all, reason_of, table

pytestmark = [pytest.mark.parity, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

# Several tasks of every family that can be compared; without the few whose Python is slow to import.
SAMPLE = Path(__file__).with_name("whole_catalog_sample.txt").read_text().split()


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    found: list[Outcome] = []
    compare_all(in_families(SAMPLE), jobs=2, report=found.append)
    return {outcome.task: outcome for outcome in found}


def in_families(names: list[str]) -> list[list[str]]:
    return [[name for name in family if name in names] for family in tasks_by_family().values()]


def test_tasks_of_every_family_have_lm_evals_prompts_and_scores(outcomes: dict[str, Outcome]) -> None:
    # what a task's own Python imports may not be installed
    left = [
        one for one in outcomes.values() if one.status != "equal" and "not installed" not in reason_of(one)
    ]
    assert [f"{one.task}: {one.status}: {one.reason}" for one in left] == []


def test_the_sample_is_answered_right_and_wrong(outcomes: dict[str, Outcome]) -> None:
    assert sum(one.varied for one in outcomes.values()) > 0.9 * len(outcomes)


def test_the_table_counts_a_family_and_says_why_a_task_is_missing() -> None:
    outcomes = {
        "a": Outcome("a", "equal", requests=4, varied=True),
        "b": Outcome("b", "different", "doc 0, request: lm-eval 'x', Assay 'y'"),
        "c": Outcome("c", "not compared", "images and sound are compared by test_media.py"),
    }
    text = table({"letters": ["a", "b", "c", "d"]}, outcomes)
    assert (
        "| letters | 3 | 2 | 1 | 1 | 1 | 1 images or sound, of which `test_media.py` compares some |" in text
    )
    assert "- `b`: doc 0, request: lm-eval 'x', Assay 'y'" in text
    assert "Of 3 tasks 2 were compared: 1 are equal (1 of them varied), 1 differ." in text
