"""lm-eval's mathematical tasks, whose Python bounds itself by signals, through a run as users start it, and
lm-eval's own functions beside it, in this process's main thread."""

import json
from importlib import import_module
from importlib.metadata import version

import pytest
from datasets import Dataset

from flows.results.evaluation_result import EvaluationResult
from tests.parity.math_answers import ANSWERS, answer, rows
from tests.support.lab import Lab

MODEL = f"scripted:{answer.__module__}:{answer.__name__}"
ALONE = {
    "minerva_math_algebra": ("lm_eval.tasks.minerva_math.utils", "EleutherAI/hendrycks_math/algebra/test"),
    "leaderboard_math_algebra_hard": (
        "lm_eval.tasks.leaderboard.math.utils",
        "DigitalLearningGmbH/MATH-lighteval/algebra/test",
    ),
    "putnam_axiom_original": (
        "lm_eval.tasks.putnam_axiom.utils",
        "Putnam-AXIOM/putnam-axiom-dataset-ICML-2025-522/default/full_eval",
    ),
}
# Whose Python wants this version of a package, and no other.
ANTLR = "4.11.0"
REPEATED = ("prompt_robustness_math_algebra", "non_greedy_robustness_math_algebra")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    """One run of all of them."""
    lab = Lab(tmp_path_factory.mktemp("math"))
    for _, place in ALONE.values():
        file = lab.data / f"{place}.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows()))
    asked = (*ALONE, *(REPEATED if version("antlr4-python3-runtime") == ANTLR else ()))
    return lab.evaluate(",".join(asked), MODEL)


@pytest.mark.slow
@pytest.mark.parametrize("task", ALONE)
def test_each_document_is_scored_as_lm_eval_scores_it(task: str, result: EvaluationResult) -> None:
    theirs = import_module(ALONE[task][0])
    docs = theirs.process_docs(Dataset.from_list(rows()))
    samples = result.samples(task)
    wanted = [theirs.process_results(doc, [ANSWERS[doc["problem"]]]) for doc in docs]
    ours = [{name: row[name] for name in wanted[0]} for row in samples.to_dict("records")]
    assert ours == wanted
    assert sum(row["exact_match"] for row in wanted) >= 4  # what only signals and sympy find equal


@pytest.mark.skipif(version("antlr4-python3-runtime") != ANTLR, reason=f"needs antlr4 {ANTLR}")
def test_what_is_compared_when_scores_are_aggregated_is_as_in_lm_eval(result: EvaluationResult) -> None:
    theirs = import_module("lm_eval.tasks.score.math.utils_math")
    docs = theirs.prompt_robustness_process_docs(Dataset.from_list(rows()))
    pairs = [theirs.process_results(doc, [ANSWERS[doc["question"]]]) for doc in docs]
    scores = result.results["results"]["prompt_robustness_math_algebra"]
    for number in range(10):
        values = [pair[f"{number}_accuracy"] for pair in pairs if f"{number}_accuracy" in pair]
        wanted = getattr(theirs, f"per_prompt_accuracy_{number}")(values)
        assert scores[f"{number}_accuracy,none"] == wanted
    rates = theirs.math_prompt_consistency_rate([pair["consistency_rate"] for pair in pairs])
    assert scores["consistency_rate,none"] == rates

    docs = theirs.non_greedy_robustness_process_docs(Dataset.from_list(rows()))
    pairs = [theirs.non_greedy_robustness_process_results(doc, [ANSWERS[doc["question"]]]) for doc in docs]
    wanted = theirs.non_greedy_accuracy([pair["non_greedy_accuracy"] for pair in pairs])
    found = result.results["results"]["non_greedy_robustness_math_algebra"]
    assert found["non_greedy_accuracy,none"] == wanted > 0.5
