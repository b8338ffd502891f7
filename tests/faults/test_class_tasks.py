"""Whole runs of a task that is a Python class and asks two kinds of requests for one document."""

import pytest

from backends.protocol import Capabilities
from backends.simple.scripted import ScriptedBackend
from tests.support.lab import Lab
from tests.support.packages import needed

needed("lm_eval", reason="task classes are lm-eval's")

CODE = """
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

class Both(ConfigurableTask):
    VERSION = 2
    DATASET_PATH = "both"

    def __init__(self):
        super().__init__(config={"doc_to_text": "question", "doc_to_target": "answer", "test_split": "test"})

    def construct_requests(self, doc, ctx, chat_template=None, apply_chat_template=False, **kwargs):
        return [Instance("generate_until", doc, (ctx, {"until": ["."]}), 0, **kwargs),
                Instance("loglikelihood", doc, (ctx, " none"), 1, **kwargs)]

    def process_results(self, doc, results):
        return {"right": float(results[0] == doc["answer"]), "sure": results[1][0]}

    def aggregation(self):
        return {"right": mean, "sure": mean}

    def higher_is_better(self):
        return {"right": True, "sure": True}
"""


@pytest.fixture
def both(lab: Lab) -> Lab:
    lab.write_data("both", [{"question": f"{number}?", "answer": str(number)} for number in range(5)])
    (lab.tasks / "both.py").write_text(CODE)
    (lab.tasks / "both.yaml").write_text("task: both\nclass: !function both.Both\n")
    return lab


def test_both_kinds_are_asked_counted_and_scored_once(
    both: Lab,
) -> None:
    first = both.evaluate("both", trust_task_code=True)
    assert (first.failures, both.asked) == ({}, 10)
    assert first.results["versions"] == {"both": 2}
    assert first.results["results"]["both"]["sure_stderr,none"] > 0
    again = both.evaluate("both", trust_task_code=True)
    assert (both.asked, again.results["assay"]["requests_asked"]) == (10, 0)
    assert again.results["results"] == first.results["results"]


def test_another_scoring_in_the_class_asks_nothing_again(both: Lab) -> None:
    before = both.evaluate("both", trust_task_code=True).results["results"]["both"]["right,none"]
    file = both.tasks / "both.py"
    file.write_text(CODE.replace('float(results[0] == doc["answer"])', "0.25"))
    result = both.evaluate("both", trust_task_code=True)
    assert (before, result.results["results"]["both"]["right,none"]) == (0.0, 0.25)
    assert both.asked == 10


def test_a_larger_limit_asks_only_for_what_is_new(both: Lab) -> None:
    both.evaluate("both", trust_task_code=True, limit=2)
    assert both.asked == 4
    both.evaluate("both", trust_task_code=True)
    assert both.asked == 10


def test_a_model_without_one_of_the_kinds_fails_the_task_before_it_is_asked(
    both: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts_only = property(lambda _: Capabilities(frozenset({"generate_until"}), chat_template=False))
    monkeypatch.setattr(ScriptedBackend, "capabilities", texts_only)
    result = both.evaluate("both", trust_task_code=True)
    assert "both needs loglikelihood, which scripted:hash" in result.failures["both"]
    assert both.asked == 0
