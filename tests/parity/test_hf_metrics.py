"""Metrics of Hugging Face evaluate in task files, beside lm-eval; here neither loads them from the hub."""

import json
from pathlib import Path

import pytest

from metrics.hf_evaluate.metrics import hf_metric
from tests.parity.oracle import STDERR_OF_OURS, Case, run_recorded

pytestmark = [pytest.mark.parity, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

BASE = """
dataset_path: letters
test_split: test
output_type: generate_until
doc_to_text: 'Q: {{question}}'
generation_kwargs: {until: ["."], max_gen_toks: 9}
"""
TASKS = {
    "labels": """
doc_to_target: "{{['A', 'B', 'C'].index(letter)}}"
filter_list:
  - name: letter
    filter:
      - {function: regex, regex_pattern: "([ABC])"}
      - {function: take_first}
      - {function: map, mapping_dict: {A: 0, B: 1, C: 2}, default_value: -1}
      - {function: take_first}
metric_list:
  - {metric: f1, hf_evaluate: true, average: micro, aggregation: mean, higher_is_better: true}
  - {metric: accuracy, hf_evaluate: true, aggregation: mean, higher_is_better: true}
""",
    "texts": """
doc_to_target: question
metric_list:
  - {metric: wer, aggregation: mean, higher_is_better: false}
  - {metric: rouge, hf_evaluate: true, use_stemmer: true, aggregation: mean, higher_is_better: true}
  - {metric: exact_match, hf_evaluate: true, ignore_case: true, aggregation: mean, higher_is_better: true}
""",
    "several_targets": """
doc_to_target: answers
metric_list:
  - {metric: wer, aggregation: mean, higher_is_better: true}
  - {metric: exact_match, hf_evaluate: true, aggregation: mean, higher_is_better: true}
""",
    "over_the_corpus": """
doc_to_target: question
metric_list:
  - {metric: !function own.pair, aggregation: !function own.rouge, higher_is_better: true}
""",
}
CODE = """
import evaluate

def pair(references, predictions, **options):
    return references[0], predictions[0]

def rouge(items):
    references, predictions = zip(*items)
    return evaluate.load("rouge").compute(references=references, predictions=predictions)["rougeL"]
"""


def test_they_are_used_as_lm_eval_uses_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluate.load", hf_metric)
    (tmp_path / "tasks").mkdir()
    for name, keys in TASKS.items():
        (tmp_path / "tasks" / f"{name}.yaml").write_text(f"task: {name}\n{BASE}{keys}")
    (tmp_path / "tasks" / "own.py").write_text(CODE)
    folder = tmp_path / "data/letters/default"
    folder.mkdir(parents=True)
    rows = [
        {
            "question": f"Is {letter} or {number} the answer",
            "letter": letter,
            "answers": [letter, str(number)],
        }
        for number, letter in enumerate("ABCABCABCA")
    ]
    (folder / "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    both = run_recorded(Case(tuple(TASKS), (tmp_path / "data",), tmp_path / "tasks"), tmp_path / "out")
    assert both.differences(STDERR_OF_OURS) == []
    results = both.ours.results["results"]
    assert 0 < results["labels"]["f1,letter"] < 1
    assert 0 < results["over_the_corpus"]["pair,none"] < 1
