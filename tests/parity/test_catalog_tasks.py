"""lm-eval's own tasks on real data: prompts, scores of each sample, and what is made of them."""

from pathlib import Path
from typing import Any

import pytest

from tasks_lib.code.trusted_functions import STARTER
from tests.parity.oracle import GROUP_OF_GROUPS, SEED_OF_OURS, STDERR_OF_OURS, Case, run_recorded

pytestmark = [pytest.mark.parity, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

CHOICES = "arc_easy arc_challenge piqa boolq copa sglue_rte rte hellaswag truthfulqa_mc1 truthfulqa_mc2"
DRAWING = "arc_easy piqa boolq copa rte hellaswag"
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "choices": (f"{CHOICES} wikitext", {"limit": 200}),
    "examples drawn from other splits": (DRAWING, {"num_fewshot": 2, "limit": 40}),
    "examples drawn with another seed": (DRAWING, {"num_fewshot": 3, "limit": 10, "seed": 7}),
    "a fraction of the documents": ("ai2_arc truthfulqa_mc1 wikitext", {"limit": 0.0123}),
    "a system instruction": ("arc_easy gsm8k", {"system_instruction": "Be brief.", "limit": 5}),
    "mmlu without examples": ("mmlu", {"limit": 20}),
    "mmlu with five examples": ("mmlu", {"num_fewshot": 5, "limit": 3}),
    "other forms of mmlu": ("mmlu_anatomy_continuation mmlu_virology_generative", {"limit": 20}),
    "gsm8k": ("gsm8k", {"limit": 60}),
    "gsm8k with other generation parameters": (
        "gsm8k",
        {"limit": 5, "gen_kwargs": {"max_gen_toks": 13, "until": ["\n"], "top_p": 0.5, "do_sample": True}},
    ),
    "gsm8k with repeats and a vote": ("gsm8k_cot_self_consistency", {"limit": 3}),
    "bbh": ("bbh_zeroshot", {"limit": 30}),
    "bbh with inline examples": ("bbh_cot_fewshot", {"limit": 5}),
    "bbh with reasoning": ("bbh_cot_zeroshot", {"limit": 5}),
    "mmlu of flan": (
        "mmlu_flan_cot_zeroshot mmlu_flan_n_shot_generative mmlu_flan_n_shot_loglikelihood",
        {"limit": 3},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_prompts_samples_and_scores_are_lm_evals(case: str, run: Any) -> None:
    tasks, options = CASES[case]
    both = run(*tasks.split(), **options)
    assert both.differences(STDERR_OF_OURS, GROUP_OF_GROUPS, SEED_OF_OURS) == []


def test_the_starter_tasks_are_scored_as_lm_eval_scores_them(tmp_path: Path) -> None:
    tasks = ("starter_choices", "starter_math", "starter_text")
    case = Case(tasks, (STARTER / "data",), STARTER, {"num_fewshot": 2})
    assert run_recorded(case, tmp_path).differences(STDERR_OF_OURS) == []


def test_with_compat_there_is_no_standard_error_that_lm_eval_lacks(run: Any) -> None:
    both = run("wikitext", "arc_easy", limit=20, compat="lm-eval")
    assert both.differences() == []
