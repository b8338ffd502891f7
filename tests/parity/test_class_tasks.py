"""Tasks that are Python classes, asked and scored beside lm-eval on small data made for them."""

import json
import random
import sys
from collections.abc import Iterator
from functools import partial
from itertools import pairwise, permutations
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import datasets
import pytest

from metrics.hf_evaluate.metrics import hf_metric
from metrics.hf_evaluate.squad import normalize_answer
from tests.parity.oracle import STDERR_OF_OURS, Both, Case, run_recorded

pytestmark = [pytest.mark.parity, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

WORDS = ["red", "green", "blue", "Zürich", "東京", "don't", "3,000", "yes", "No", "north"]

# Asks all three kinds of one document, in another order than it is scored in, through filters of its own.
MADE = """
import numpy as np
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean, perplexity
from lm_eval.api.task import ConfigurableTask


class Mixed(ConfigurableTask):
    VERSION = 7
    DATASET_PATH = "class_data/made"

    def __init__(self, config=None):
        keys = {key: value for key, value in config.items() if key not in ("class", "spice")}
        super().__init__(config=keys | {"doc_to_text": "question", "doc_to_target": "answer",
            "training_split": "train", "test_split": "validation",
            "filter_list": [{"name": "as it is", "filter": [{"function": "take_first"}]},
                            {"name": "shouted", "filter": [{"function": "uppercase_made"},
                                                           {"function": "take_first"}]}]})
        self.spice = config["spice"]

    def construct_requests(self, doc, ctx, **kwargs):
        kwargs.pop("apply_chat_template"), kwargs.pop("chat_template")
        def ask(kind, arguments, idx):
            return Instance(request_type=kind, doc=doc, arguments=arguments, idx=idx, **kwargs)
        return [ask("loglikelihood", (ctx, self.spice + doc["answer"]), 2),
                ask("generate_until", (ctx, {"until": ["\\n"], "max_gen_toks": 8}), 0),
                ask("loglikelihood_rolling", (doc["question"],), 1)]

    def process_results(self, doc, results):
        said, rolling, (logprob, greedy) = results
        return {"right": float(doc["answer"].lower() in str(said).lower()), "surprise": logprob,
                "length": rolling / len(doc["question"]), "pair": (said, doc["answer"])}

    def aggregation(self):
        return {"right": mean, "surprise": perplexity, "length": np.mean,
                "pair": lambda pairs: sum(said == answer for said, answer in pairs) / len(pairs)}

    def higher_is_better(self):
        return {"right": True, "surprise": False, "length": True, "pair": True}


from lm_eval.api.filter import Filter
from lm_eval.api.registry import filter_registry

class Shout(Filter):
    def apply(self, resps, docs):
        return [[one.upper() if isinstance(one, str) else one for one in own] for own in resps]

if "uppercase_made" not in filter_registry:
    filter_registry.register("uppercase_made")(Shout)
"""


def write_rows(folder: Path, dataset: str, **splits: list[dict[str, Any]]) -> None:
    (folder / dataset).mkdir(parents=True)
    for split, rows in splits.items():
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / dataset / f"{split}.jsonl").write_text(text, encoding="utf-8")


def squad_rows(count: int, seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        words = draw.sample(WORDS, 4)
        texts = [] if number % 3 == 0 else words[:2]
        answers = {"text": texts, "answer_start": [0 for _ in texts]}
        rows.append({"id": f"{seed}-{number}", "title": f"T{number}", "context": " ".join(words),
                     "question": f"Which is {words[0]}?", "answers": answers})  # fmt: skip
    return rows


def extraction_rows(count: int) -> list[dict[str, Any]]:
    draw = random.Random(3)
    rows = []
    for number in range(count):
        words = draw.sample(WORDS, 3)
        rows.append(
            {"doc_id": str(number), "text": f"  {' '.join(words)} is said of ", "value": f" {words[0]}"}
        )
    return rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for dataset in ("based-squad", "based-swde-v2", "based-fda"):
        write_rows(root, f"hazyresearch/{dataset}/default", validation=extraction_rows(12))
    write_rows(root, "lighteval/squad_v2/default", train=squad_rows(9, 1), validation=squad_rows(14, 2))
    made = [{"question": f"What is {a} and {b}?", "answer": b} for a, b in pairwise(WORDS)]
    write_rows(root, "class_data/made/default", train=made, validation=made[3:])
    return root


def run(data: Path, output: Path, task: str, include: Path | None = None, **options: object) -> Both:
    return run_recorded(Case((task,), (data,), include, options), output)


@pytest.mark.parametrize("task", ["squad_completion", "swde", "fda"])
def test_a_class_of_the_catalog_is_lm_evals(task: str, data: Path, tmp_path: Path) -> None:
    both = run(data, tmp_path, task)
    assert both.differences(STDERR_OF_OURS) == []
    assert 0 < both.ours.results["results"][task]["contains,none"] < 1


def test_squad_v2_asks_a_text_and_a_likelihood_as_lm_eval(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluate.load", hf_metric)  # the hub's script, for lm-eval too
    both = run(data, tmp_path, "squadv2", limit=12)
    assert both.differences(STDERR_OF_OURS) == []
    row = both.ours.results["results"]["squadv2"]
    assert 0 < row["f1,none"] < 100
    assert row["NoAns_f1,none"] != row["HasAns_f1,none"]


TRIPLES = list(permutations(WORDS[:4], 3))
TEXTS = [(f"Who {a}?\n\n{a} {b} {c}", [f"{a} {b}", c][: 1 + len(a) % 2]) for a, b, c in TRIPLES]
VERDICTS = ("Entailment", "Not mentioned", "Contradiction") * 3
# Inputs of each task, with the outputs that its data have for them, a row each.
SCROLLS = {
    "qasper": [*TEXTS[:8], *((f"Is it {word}?\n\n{word}", ["yes"]) for word in WORDS[:4])],
    "narrative_qa": TEXTS[:9],
    "gov_report": TEXTS[:7],
    "contract_nli": [(text, [verdict]) for (text, _), verdict in zip(TEXTS, VERDICTS, strict=False)],
    "quality": [
        (f"Which {a}?\n\n(A) {a} (B) {b}  (C) {c} (D) none\n\nA text.", [b]) for a, b, c in TRIPLES[:8]
    ],
}


class ScrollsMetric:
    """In place of the metric that scrolls downloads."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def compute(self, predictions: list[str], references: list[list[str]]) -> dict[str, float]:
        pairs = zip(predictions, references, strict=True)
        found = [said.strip() in {text.strip() for text in texts} for said, texts in pairs]
        names = ("f1", "rouge/rouge1", "rouge/rouge2", "rouge/rougeL")
        return dict.fromkeys(names, sum(found) / len(found))


@pytest.fixture(scope="module")
def scrolls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data of scrolls, and what its code downloads or misses in newer packages."""
    root = tmp_path_factory.mktemp("scrolls")
    for name, texts in SCROLLS.items():
        rows = [
            {"id": str(number), "pid": f"{number}_{place}", "input": text, "output": output}
            for number, (text, outputs) in enumerate(texts)
            for place, output in enumerate(outputs)
        ]
        write_rows(root, f"tau/scrolls/{name}", train=rows, validation=rows)
    metrics = ModuleType("transformers.data.metrics")
    metrics.squad_metrics = SimpleNamespace(normalize_answer=normalize_answer)  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "transformers.data.metrics", metrics)
        patch.setattr("evaluate.load", ScrollsMetric)
        patch.setattr("huggingface_hub.hf_hub_download", lambda **_: __file__)
        patch.setattr("shutil.copy", lambda *_: None)
        patch.setattr(datasets, "load_dataset", partial(from_hub, root))
        yield root


def from_hub(root: Path, builder: str, _: None = None, *, data_files: dict[str, str]) -> Any:
    """The files that scrolls names, which are in archives of the hub."""
    name = data_files["train"].removeprefix("zip://").partition("/")[0]
    folder = root / "tau/scrolls" / name
    return datasets.DatasetDict(
        {split: datasets.Dataset.from_json(str(folder / f"{split}.jsonl")) for split in data_files}
    )


@pytest.mark.parametrize("task", ["qasper", "narrativeqa", "govreport", "contractnli", "quality"])
def test_a_task_of_scrolls_is_lm_evals(task: str, scrolls: Path, tmp_path: Path) -> None:
    both = run(scrolls, tmp_path, f"scrolls_{task}")
    assert both.differences(STDERR_OF_OURS) == []
    assert len(both.ours.samples(f"scrolls_{task}")) > 5


@pytest.mark.parametrize("options", [{}, {"num_fewshot": 2, "seed": 5}, {"limit": 0.5}, {"limit": 2},
                                     {"system_instruction": "Be brief."}])  # fmt: skip
def test_a_class_that_asks_several_kinds_is_lm_evals(
    options: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    (tasks / "made.py").write_text(MADE)
    (tasks / "mixed.yaml").write_text("task: mixed\nclass: !function made.Mixed\nspice: ' well, '\n")
    both = run(data, tmp_path / "out", "mixed", tasks, **options)
    assert both.differences(STDERR_OF_OURS) == []
    kinds = [len(arguments) for arguments in both.ours.samples("mixed")["arguments"][0]]
    assert kinds == [2, 1, 2]
