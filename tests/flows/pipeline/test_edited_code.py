"""After an edit of task code a run asks what the code of now makes, whatever `datasets` has kept."""

from pathlib import Path

import pytest

from tests.support.lab import Lab

pytestmark = pytest.mark.usefixtures("prefect_server")

CODE = """
import datasets


def decorated(text):
    return "FIRST " + text


def _top(doc):
    return {"prompt": decorated(doc["q"])}


def by_nested_function(dataset):
    def _process(doc):
        return {"prompt": decorated(doc["q"])}

    return dataset.map(_process)


def by_function_of_the_module(dataset):
    return dataset.map(_top)


def in_batches(dataset):
    return dataset.map(lambda docs: {"prompt": [decorated(q) for q in docs["q"]]}, batched=True)


def by_what_the_cache_is_asked_for(dataset):
    return dataset.map(_top, load_from_cache_file=True)


def filtered(dataset):
    kept = dataset.filter(lambda doc: doc["q"] in decorated("dog"))
    return kept.map(_top)


def _generated():
    yield {"prompt": decorated("made"), "a": "x"}


def generated(**options):
    return {"test": datasets.Dataset.from_generator(_generated)}
"""
# Stays as it is; what it imports is in a folder below.
APART = """
import os, sys

sys.path.insert(0, os.path.dirname(__file__))
from words_of_apart.decorating import decorated


def process(dataset):
    return [{**doc, "prompt": decorated(doc["q"])} for doc in dataset]
"""
PROCESSED = (
    "by_nested_function",
    "by_function_of_the_module",
    "in_batches",
    "by_what_the_cache_is_asked_for",
    "filtered",
)
TASK = """
task: {name}
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: a
test_split: test
"""


@pytest.mark.slow
def test_the_next_run_asks_what_edited_code_makes(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    words = lab.tasks / "apart" / "words_of_apart" / "decorating.py"
    words.parent.mkdir(parents=True)
    (lab.tasks / "apart" / "utils.py").write_text(APART)
    (lab.tasks / "docs.jsonl").write_text('{"q": "dog", "a": "x"}\n')
    source = f"dataset_path: json\ndataset_kwargs:\n  data_files: {{test: {lab.tasks}/docs.jsonl}}\n"
    (lab.tasks / "apart" / "apart.yaml").write_text(
        f"{TASK.format(name='apart')}{source}process_docs: !function utils.process\n"
    )
    for name in PROCESSED:
        (lab.tasks / f"{name}.yaml").write_text(
            f"{TASK.format(name=name)}{source}process_docs: !function code.{name}\n"
        )
    (lab.tasks / "generated.yaml").write_text(
        TASK.format(name="generated") + "custom_dataset: !function code.generated\n"
    )
    tasks = (*PROCESSED, "generated", "apart")
    for word in ("FIRST", "SECOND"):
        (lab.tasks / "code.py").write_text(CODE.replace("FIRST", word))
        words.write_text(f"def decorated(text):\n    return '{word} ' + text\n")
        result = lab.evaluate(",".join(tasks), trust_task_code=True)
        assert result.failures == {}
        asked = {name: result.samples(name)["arguments"][0][0][0] for name in tasks}
        by_documents = dict.fromkeys((*PROCESSED, "apart"), f"{word} dog")
        assert asked == {**by_documents, "generated": f"{word} made"}
