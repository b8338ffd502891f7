"""Small task files with data for what no task of the real ones does, one feature a task."""

import json
import random
from pathlib import Path
from typing import Any

WORDS = ["red", "green", "blue", "Zürich", "東京", "don't", "3,000", "yes", "No", "\\$5", "north"]
BASE = """
dataset_path: parity
training_split: train
test_split: test
"""
CHOICE = "output_type: multiple_choice\ndoc_to_text: 'Q: {{question}}\\nA:'\ndoc_to_choice: choices\n"
TEXT = "output_type: generate_until\ndoc_to_text: 'Q: {{question}}\\nA:'\ndoc_to_target: answer\n"

TASKS = {
    # prompts
    "prefixed_choices": CHOICE + "doc_to_target: gold\nnum_fewshot: 2\ngen_prefix: The answer is",
    "prefixed_by_a_field": TEXT + "num_fewshot: 2\ngen_prefix: hint",
    "prefixed_with_a_space": CHOICE + "doc_to_target: gold\nnum_fewshot: 1\ngen_prefix: 'So: '",
    "described": TEXT + "num_fewshot: 2\ndescription: 'About {{subject}}. '",
    "described_by_a_field": TEXT + "num_fewshot: 1\ndescription: subject",
    "delimited": CHOICE + "doc_to_target: gold\nnum_fewshot: 3\ntarget_delimiter: ' ->'\n"
    "fewshot_delimiter: ' ### '",
    "undelimited": CHOICE + "doc_to_target: gold\nnum_fewshot: 2\ntarget_delimiter: ''",
    "other_examples": CHOICE
    + """
doc_to_target: gold
num_fewshot: 2
fewshot_config:
  doc_to_text: 'Example: {{question}}'
  doc_to_target: '{{gold}}'
  doc_to_choice: ['one', 'two', 'three', 'four']
  target_delimiter: ' = '
  fewshot_delimiter: "\\n--\\n"
  gen_prefix: 'Well,'
""",
    "inline_examples": TEXT
    + """
num_fewshot: 2
fewshot_config:
  sampler: first_n
  samples:
    - {question: "What is 1 + 1?", answer: "2"}
    - {question: "And 2 + 2?", answer: "4"}
    - {question: "And 3 + 3?", answer: ""}
""",
    "inline_examples_drawn": TEXT
    + """
num_fewshot: 2
fewshot_config:
  samples:
    - {question: "What is 1 + 1?", answer: "2"}
    - {question: "And 2 + 2?", answer: "4"}
    - {question: "And 3 + 3?", answer: ""}
""",
    "examples_from_the_same_split": TEXT + "num_fewshot: 4\nfewshot_split: test",
    "first_of_the_same_split": TEXT + "num_fewshot: 4\nfewshot_split: test\n"
    "fewshot_config: {sampler: first_n}",
    "chosen_by_a_class": TEXT + "num_fewshot: 3\nfewshot_config: {sampler: !function utils.Chooses}",
    "chosen_by_a_class_from_the_same_split": TEXT + "num_fewshot: 3\nfewshot_split: test\n"
    "fewshot_config: {sampler: !function utils.Chooses}",
    "several_answers_in_examples": TEXT.replace("answer\n", "answers\n") + "num_fewshot: 2",
    # choices
    "default_choice_metrics": CHOICE + "doc_to_target: gold",
    "choices_by_template": CHOICE.replace("doc_to_choice: choices", "doc_to_choice: '{{choices[:2]}}'")
    + "doc_to_target: '{{gold % 2}}'",
    "choices_by_mapping": CHOICE.replace("choices", "{a: First, b: Second, c: Third, d: Fourth}")
    + "doc_to_target: gold",
    "choices_by_function": CHOICE.replace("choices", "!function utils.choices") + "doc_to_target: gold",
    "gold_as_text": CHOICE + "doc_to_target: '{{choices[gold]}}'\nmetric_list: [{metric: acc}]",
    "several_right_choices": CHOICE + "doc_to_target: golds\nmetric_list: [{metric: acc}, {metric: acc_norm},"
    " {metric: acc_bytes}, {metric: exact_match}]",
    "choices_in_the_prompt": """
output_type: multiple_choice
doc_to_text: gold
doc_to_choice: "{{[question ~ ' ' ~ choices[0], question ~ ' ' ~ choices[1], question, subject]}}"
doc_to_target: "so {{answer}}."
num_fewshot: 2
""",
    "mutual_information": CHOICE + "doc_to_target: gold\n"
    "metric_list: [{metric: acc}, {metric: acc_mutual_info}]",
    "per_byte": CHOICE + "doc_to_target: gold\nmetric_list: [{metric: acc_bytes}, {metric: exact_match}]",
    "brier": CHOICE + "doc_to_target: gold\nmetric_list: [{metric: brier_score}]",
    "likelihoods": CHOICE + "doc_to_target: gold\nmetric_list: [{metric: likelihood, aggregation: !function"
    " utils.mean_of_gold, higher_is_better: true}]",
    "unicode_choices": CHOICE.replace("choices", '["A", "東京", "no", "don"]')
    + "doc_to_target: gold\nmetric_list: [{metric: acc}, {metric: acc_norm}, {metric: acc_bytes}]",
    "ties": CHOICE.replace("choices", "'{{[choices[0], choices[1], choices[0]]}}'")
    + "doc_to_target: '{{2}}'",
    "after_a_space": CHOICE.replace("A:'", "A: '") + "doc_to_target: gold\ntarget_delimiter: ''",
    # log-likelihoods
    "default_likelihood_metrics": "output_type: loglikelihood\ndoc_to_text: question\n"
    "doc_to_target: ' {{answer}}'\nnum_fewshot: 1",
    "default_rolling_metrics": "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: prose",
    "rolling_with_spaces": "output_type: loglikelihood_rolling\ndoc_to_text: ''\n"
    "doc_to_target: ' {{prose}}\\n '",
    "rolling_over_windows": "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: story",
    # texts
    "default_text_metrics": TEXT,
    "without_stops": TEXT + "generation_kwargs: {max_gen_toks: 7, temperature: 0}",
    "stop_as_text": TEXT + "generation_kwargs: {until: ' the', do_sample: false}",
    "ignoring": TEXT + "metric_list: [{metric: exact_match, ignore_case: true, ignore_punctuation: true,"
    " ignore_numbers: true, regexes_to_ignore: ['So the answer is', '^ +']}]",
    "several_targets": TEXT.replace("answer\n", "answers\n") + "metric_list: [{metric: exact_match,"
    " ignore_case: true, regexes_to_ignore: ['.*is ', '\\.$']}]",
    "targets_by_template": TEXT.replace("answer\n", "'{{answers}}'\n"),
    "digits_as_text": TEXT.replace("answer\n", "'{{number}}'\n"),
    "regexes_in_order": TEXT + "metric_list: [{metric: exact_match, ignore_punctuation: true,"
    " regexes_to_ignore: ['e', '^[^e]*$']}]",
    "all_to_the_metric": TEXT + "repeats: 2\ngeneration_kwargs: {do_sample: true, until: [zzz]}\n"
    "filter_list: [{name: all, filter: [{function: lowercase}]}]",
    "stops_in_order": TEXT.replace("'Q: {{question}}\\nA:'", "'Once upon a time {{number}}'")
    + "generation_kwargs: {until: [ily, Lil, ' the', the], max_gen_toks: 24}",
    "text_with_choices": TEXT.replace("answer\n", "gold\n") + "doc_to_choice: choices",
    "number_target": TEXT.replace("answer\n", "gold\n"),
    "translation": TEXT.replace("answer\n", "prose\n") + "metric_list: [{metric: bleu}, {metric: chrf},"
    " {metric: ter}]",
    "medians": TEXT + "metric_list: [{metric: !function utils.length, aggregation: median,"
    " higher_is_better: true}]",
    "nan_means": TEXT + "metric_list: [{metric: !function utils.length_or_nan, aggregation: nanmean,"
    " higher_is_better: true}]",
    "several_numbers": TEXT + "metric_list: [{metric: !function utils.counts, aggregation: mean,"
    " higher_is_better: false, of: e}]",
    "own_results": TEXT + "process_results: !function utils.results\nmetric_list: [{metric: length,"
    " aggregation: mean, higher_is_better: true}, {metric: pairs, aggregation: !function utils.ratio,"
    " higher_is_better: true}, {metric: extra, aggregation: !function utils.of_the_first,"
    " higher_is_better: true}]",
    # filters and repeats
    "repeated": TEXT
    + """
repeats: 5
generation_kwargs: {until: ["\\n\\n"], do_sample: true, temperature: 0.8}
filter_list:
  - {name: first, filter: [{function: take_first}]}
  - name: vote
    filter:
      - {function: regex, regex_pattern: "(\\\\w+)", group_select: -1, fallback: none}
      - {function: take_first_k, k: 3}
      - {function: majority_vote}
      - {function: take_first}
  - name: mapped
    filter:
      - {function: lowercase}
      - {function: remove_whitespace}
      - {function: map, mapping_dict: {"yes": "red", "no": "blue"}, default_value: other}
      - {function: take_first}
  - {name: upper, filter: [{function: uppercase}, {function: take_first}]}
  - {name: own, filter: [{function: take_first}, {function: !function utils.Reverse}]}
  - {name: custom, filter: [{function: custom, filter_fn: !function utils.second}]}
  - {name: registered, filter: [{function: registered_by_parity, at: 1}, {function: take_first}]}
""",
    "lettered": TEXT.replace("doc_to_target: answer", "doc_to_target: letter").replace(
        "{{question}}\\n", "{{question}}\\n(A) {{choices[0]}}\\n(B) {{choices[1]}}\\n"
    )
    + """
filter_list:
  - name: flexible
    filter:
      - {function: multi_choice_regex, group_select: 0, ignore_case: true, ignore_punctuation: true,
         regex_pattern: "(\\\\([A-Z]\\\\))"}
      - {function: take_first}
  - name: spaced
    filter: [{function: multi_choice_regex, regex_pattern: "answer is (.)"}, {function: take_first}]
""",
    # examples
    "fixed_without_examples": CHOICE + "doc_to_target: gold\nnum_fewshot: 0",
    "examples_of_an_evaluated_validation_split": TEXT + "num_fewshot: 2\ntest_split: null\n"
    "validation_split: test",
    # data
    "processed_docs": TEXT + "process_docs: !function utils.keep_some\nnum_fewshot: 1",
    "rows_with_gaps": TEXT + "dataset_path: gaps\ntraining_split: null",
    "rows_read_by_datasets": TEXT.replace("'Q: {{question}}", "'Q: {{question}} {{when}} {{n}} {{d}}")
    + "dataset_path: json\ndataset_kwargs: {data_files: {test: FOLDER/typed.jsonl}}\ntraining_split: null",
    "made_rows": TEXT + "dataset_path: null\ntraining_split: null\ncustom_dataset: !function utils.make\n"
    "metadata: {size: 4, version: 3}",
    # groups
    "small": CHOICE + "doc_to_target: gold\ntag: parity_tag\ntask_alias: Small\ndataset_path: small",
    "large": CHOICE + "doc_to_target: gold\ntag: [parity_tag]\nmetadata: {version: 2.0}",
    "two_filters": TEXT + "filter_list: [{name: a, filter: [{function: take_first}]}, {name: b, filter:"
    " [{function: lowercase}, {function: take_first}]}]",
    "two_more_filters": TEXT + "dataset_path: small\n"
    "filter_list: [{name: a, filter: [{function: take_first}]}, "
    "{name: b, filter: [{function: uppercase}, {function: take_first}]}]",
}
SLOW_IN_LM_EVAL = {  # its bootstrap calls scikit-learn 100,000 times
    "f1_and_mcc": CHOICE.replace("choices", "['no', 'yes']") + "doc_to_target: '{{gold % 2}}'\nmetric_list:"
    " [{metric: f1}, {metric: mcc}, {metric: acc}]",
}
GROUPS = {
    "weighted": "task: [small, large]\naggregate_metric_list: [{metric: acc, weight_by_size: true},"
    " {metric: acc_norm, weight_by_size: false}]\nmetadata: {version: 5}",
    "filtered": "task: [two_filters, two_more_filters]\naggregate_metric_list: [{metric: exact_match,"
    " filter_list: [b]}]",
    "unfiltered": "task: [two_filters, two_more_filters]\ngroup_alias: All\naggregate_metric_list: {metric:"
    " exact_match}",
    "nested": """
task:
  - weighted
  - group: inside
    group_alias: Inside
    task: [two_filters]
    aggregate_metric_list: [{metric: exact_match}]
aggregate_metric_list: [{metric: acc}]
""",
    "of_a_tag": "task: [parity_tag]\nnum_fewshot: 1\naggregate_metric_list: [{metric: acc}]",
    "without_scores": "task: [small, two_filters]",
}
ALONE = {  # draws from a global generator, from which lm-eval's tasks before would have drawn
    "drawn_rows": TEXT + "dataset_path: null\ntraining_split: null\ncustom_dataset: !function utils.draw\n"
    "metadata: {size: 4, version: 3}",
}
CODE = """
import random

import datasets
from lm_eval.api.filter import Filter
from lm_eval.api.registry import register_filter
from lm_eval.api.samplers import ContextSampler


class Chooses(ContextSampler):
    def sample(self, n, eval_doc=None, df=None, **kwargs):
        drawn = super().sample(n - 1, eval_doc)
        return [*drawn, {**drawn[0], "question": "Again?"}]


@register_filter("registered_by_parity")
class Cut(Filter):
    def __init__(self, at):
        self.at = at

    def apply(self, resps, docs):
        return [[one[self.at:] for one in own] for own in resps]


def choices(doc):
    return [option.upper() for option in doc["choices"]]


def mean_of_gold(items):
    return sum(lls[gold] for gold, lls in items) / len(items)


def length(references, predictions, **options):
    return float(len(predictions[0]))


def length_or_nan(references, predictions, **options):
    return float("nan") if len(predictions[0]) % 2 else float(len(predictions[0]))


def counts(references, predictions, of):
    return {"in_target": references[0].count(of), "in_text": predictions[0].count(of)}


def results(doc, results):
    size = len(doc["prose"])
    return {"length": len(results[0]), "pairs": (len(results[0]), size), "extra": float(size)}


def of_the_first(items):
    return items[0]


def ratio(items):
    return sum(a for a, _ in items) / sum(b for _, b in items)


def keep_some(dataset):
    kept = dataset.filter(lambda doc: doc["gold"] != 1)
    return kept.map(lambda doc: {"question": doc["question"].upper(), "length": len(doc["prose"])})


def make(size, **rest):
    rows = [{"question": f"How much is {n} * {n}?", "answer": str(n * n)} for n in range(size)]
    return {"test": datasets.Dataset.from_list(rows)}


def draw(size, **rest):
    rows = [{"question": f"Is it {random.random()}?", "answer": str(random.random())} for _ in range(size)]
    return {"test": datasets.Dataset.from_list(rows)}


def second(resps, docs):
    return [texts[1] for texts in resps]


class Reverse(Filter):
    def apply(self, resps, docs):
        return [text[::-1] for text in resps]
"""


def write(root: Path) -> None:
    """Task files and their Python under `root/tasks`, their data under `root/data`."""
    tasks = root / "tasks"
    tasks.mkdir()
    (tasks / "utils.py").write_text(CODE)
    for name, text in {**TASKS, **SLOW_IN_LM_EVAL, **ALONE}.items():
        own = {line.split(":")[0] for line in text.splitlines()}
        base = "\n".join(line for line in BASE.splitlines() if line.split(":")[0] not in own)
        content = f"task: {name}\n{base}\n{text}\n".replace("FOLDER", str(root))
        (tasks / f"{name}.yaml").write_text(content)
    for name, text in GROUPS.items():
        (tasks / f"{name}.yaml").write_text(f"group: {name}\n{text}\n")
    stream = random.Random(0)
    rows = [_row(stream, number) for number in range(14)]
    _write(root / "data/parity/default/train.jsonl", [_row(stream, number) for number in range(100, 110)])
    _write(root / "data/parity/default/test.jsonl", [*rows, rows[2]])
    _write(root / "data/small/default/train.jsonl", rows[9:])
    _write(root / "data/small/default/test.jsonl", rows[:5])
    _write(root / "data/gaps/default/test.jsonl", GAPS)
    _write(root / "typed.jsonl", TYPED)


def _row(stream: random.Random, number: int) -> dict[str, Any]:
    gold = stream.randrange(4)
    choices = stream.sample(WORDS, 4)
    return {
        "number": number,
        "question": f"Which of {number}?" + stream.choice(["", " ", "\n"]),
        "subject": stream.choice(["colours", "towns\n", ""]),
        "choices": choices,
        "gold": gold,
        "golds": sorted({gold, stream.randrange(4)}),
        "answer": choices[gold],
        "answers": [choices[gold], choices[0].lower()],
        "hint": stream.choice(["I say", "Well, ", "", " so"]),
        "letter": f"({'ABCD'[gold % 2]})",
        "prose": " ".join(stream.choices(WORDS, k=stream.randint(3, 12))),
        "story": " ".join(f"{word} {place}" for place in range(40) for word in WORDS[number % 5 :]),
    }


GAPS: list[dict[str, Any]] = [
    {"question": "One?", "answer": "2020-01-01", "x": None, "d": {"a": 1, "b": None}},
    {"question": "\u2028 é \U0001f600?", "answer": "", "x": "x", "l": [], "d": None},
    {"question": "Three?", "answer": "[1, 2", "l": ["a", None]},
]
TYPED: list[dict[str, Any]] = [
    {"question": "One?", "answer": "a", "when": "2020-01-01T00:00:00", "n": 1, "d": {"a": 1}},
    {"question": "Two?", "answer": "b", "when": "2021-02-03T04:05:06", "n": 2.5, "d": {"b": 2}},
]


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
