"""Scores of a run of `flows.evaluate` beside lm-eval's, for tasks of the catalog that are scored in different
ways; `test_whole_catalog.py` has tasks of every family."""

from collections.abc import Mapping

import pytest

from tests.parity.both_sides import Looked, Outcome, look
from tests.parity.observed import Field
from tests.parity.through_runs import compared

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

TASKS = {
    "arc_easy": "choices",
    "hellaswag": "choices of documents that task code makes",
    "gsm8k": "two filters of a text",
    "lambada_openai": "a log-likelihood, and a perplexity",
    "wikitext": "a rolling log-likelihood",
    "flores_eng_Latn-ary_Arab_prompt_2": "metrics over the corpus",
    "gsm8k_cot_self_consistency": "a vote over repeats",
    "simple_cooccurrence_bias_gen": "task code that reads all repeats",
    "drop": "task code that gives two scores",
    "minerva_math_algebra": "task code that sets alarms",
    "leaderboard_math_algebra_hard": "task code that sets alarms",
    "putnam_axiom_original": "task code that sets alarms, and takes what goes wrong for a wrong answer",
}
NEVER_RIGHT = {"drop", "simple_cooccurrence_bias_gen"}  # of made-up answers


@pytest.fixture(scope="module")
def outcomes() -> Mapping[str, Outcome]:
    schemas: dict[str, Field] = {}
    found = [look(name, schemas) for name in TASKS]
    scored = compared([one for one in found if isinstance(one, Looked)])
    return {one.task: one for one in (*scored, *found) if isinstance(one, Outcome)}


@pytest.mark.parametrize("task", TASKS)
def test_a_run_gives_lm_evals_samples_and_scores(task: str, outcomes: Mapping[str, Outcome]) -> None:
    assert (outcomes[task].status, outcomes[task].reason) == ("equal", "")
    assert outcomes[task].varied or task in NEVER_RIGHT
