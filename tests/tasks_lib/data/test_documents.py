"""Documents are loaded once, in order, through the task's own Python where it has some."""

import random
from typing import Any

import numpy as np
import pytest

from tasks_lib.code.random_state import NUMPY_SEED, RANDOM_SEED
from tasks_lib.data.documents import Documents
from tasks_lib.errors import TaskError
from tasks_lib.files.config import FunctionRef, TaskConfig
from tests.support.task_maker import TaskMaker

SPLITS = ("train", "validation", "test", "shots")


@pytest.fixture
def made(maker: TaskMaker) -> TaskMaker:
    """Four splits of two documents, which say where they are from."""
    for split in SPLITS:
        maker.data([{"from": split, "n": n} for n in range(2)], split)
    return maker


def origins(documents: Documents) -> list[object]:
    return [doc["from"] for doc in documents.fewshot_pool]


def test_the_evaluated_documents_are_the_test_split_else_the_validation_split(made: TaskMaker) -> None:
    both = made.task(test_split="test", validation_split="validation").documents
    assert [doc["from"] for doc in both.evaluated.docs] == ["test", "test"]
    one = made.task(test_split=None, validation_split="validation").documents
    assert [doc["n"] for doc in one.evaluated.docs] == [0, 1]
    assert one.evaluated.docs[0]["from"] == "validation"


def test_a_task_without_either_split_is_an_error_that_names_its_file(made: TaskMaker) -> None:
    with pytest.raises(TaskError, match=rf"made: test_split: .*neither.*\(in {made.file}\)"):
        _ = made.task(test_split=None).documents.evaluated


def test_an_empty_split_is_an_error(maker: TaskMaker) -> None:
    maker.data([])
    with pytest.raises(TaskError, match="made: test_split: split 'test' has no documents"):
        _ = maker.task().documents.evaluated


def test_process_docs_that_leave_nothing_are_an_error(made: TaskMaker) -> None:
    process = made.function("def process(docs):\n    return docs.filter(lambda doc: False)")
    with pytest.raises(TaskError, match="split 'test' has no documents"):
        _ = made.task(process_docs=process).documents.evaluated


def test_process_docs_gets_a_dataset_and_runs_once_a_split(made: TaskMaker) -> None:
    process = made.function(
        "def process(docs):\n"
        "    open(__file__ + '.log', 'a').write(type(docs).__name__ + '\\n')\n"
        "    return docs.map(lambda doc: {'from': doc['from'].upper()})"
    )
    documents = made.task(process_docs=process).documents
    for _ in range(3):
        assert [doc["from"] for doc in documents.evaluated.docs] == ["TEST", "TEST"]
    assert (made.folder / "functions.py.log").read_text() == "Dataset\n"


def test_columns_that_process_docs_adds_are_fields(made: TaskMaker) -> None:
    process = made.function("def process(docs):\n    return docs.map(lambda doc: {'twice': 2 * doc['n']})")
    assert made.task(process_docs=process).documents.evaluated.columns == ("from", "n", "twice")
    listing = made.function("def listing(docs):\n    return [{'only': doc['n']} for doc in docs]")
    assert made.task(process_docs=listing).documents.evaluated.columns == ("only",)


def test_process_docs_draws_from_seeded_generators_that_are_as_before_afterwards(made: TaskMaker) -> None:
    draw = made.function(
        "def draw(docs):\n"
        "    import random, numpy\n"
        "    return [{'from': random.random(), 'n': float(numpy.random.rand())} for _ in docs]"
    )
    random.seed(99)
    np.random.seed(99)
    state, numpy_state = random.getstate(), str(np.random.get_state())
    first, *_ = made.task(process_docs=draw).documents.evaluated.docs
    expected = {
        "from": random.Random(RANDOM_SEED).random(),
        "n": float(np.random.RandomState(NUMPY_SEED).rand()),
    }
    assert first == expected
    assert random.getstate() == state
    assert str(np.random.get_state()) == numpy_state


def test_generators_are_as_before_also_where_process_docs_fails(made: TaskMaker) -> None:
    fail = made.function("def fail(docs):\n    return docs[0]['nothing']")
    state = random.getstate()
    with pytest.raises(TaskError, match=rf"made: process_docs: KeyError: 'nothing' \(in {made.file}\)"):
        _ = made.task(process_docs=fail).documents.evaluated
    assert random.getstate() == state


@pytest.mark.parametrize(
    ("keys", "split"),
    [
        ({"training_split": "train", "validation_split": "validation"}, "train"),
        ({"validation_split": "validation"}, "validation"),
        ({}, "test"),
        ({"test_split": None, "validation_split": "validation"}, "validation"),
        ({"fewshot_split": "shots", "training_split": "train"}, "shots"),
        ({"fewshot_config": {"split": "shots"}, "fewshot_split": "train"}, "shots"),
    ],
)
def test_examples_come_from_the_named_split_else_training_else_validation_else_the_evaluated_one(
    made: TaskMaker, keys: dict[str, Any], split: str
) -> None:
    documents = made.task(**keys).documents
    assert origins(documents) == [split, split]
    assert documents.pool_is_evaluated_split == (split == documents.evaluated_split)


def test_written_samples_come_before_training_and_after_a_named_split(made: TaskMaker) -> None:
    samples = [{"from": "samples"}]
    keys: dict[str, Any] = {"training_split": "train", "fewshot_config": {"samples": samples}}
    assert origins(made.task(**keys).documents) == ["samples"]
    assert not made.task(**keys).documents.pool_is_evaluated_split
    assert origins(made.task(**keys, fewshot_split="shots").documents) == ["shots", "shots"]


def test_samples_may_be_a_function(made: TaskMaker) -> None:
    samples = made.function("def samples():\n    return [{'from': 'code'}]")
    assert origins(made.task(fewshot_config={"samples": samples}).documents) == ["code"]


def test_examples_are_processed_as_documents_unless_the_task_says_how(made: TaskMaker) -> None:
    own = made.function("def own(docs):\n    return [{'from': 'own'} for _ in docs]")
    other = made.function("def other(docs):\n    return [{'from': 'other'} for _ in docs]")
    keys: dict[str, Any] = {"process_docs": own, "fewshot_split": "shots"}
    assert origins(made.task(**keys).documents) == ["own", "own"]
    both = made.task(**keys, fewshot_config={"process_docs": other}).documents
    assert origins(both) == ["other", "other"]
    assert [doc["from"] for doc in both.evaluated.docs] == ["own", "own"]


def test_a_custom_dataset_gets_metadata_and_dataset_kwargs(maker: TaskMaker) -> None:
    make = maker.function(
        "def make(size, word, **rest):\n    return {'test': [{'word': word, 'rest': rest}] * size}"
    )
    metadata, more = {"size": 3, "word": "a", "version": 1}, {"word": "b"}
    task = maker.task(custom_dataset=make, metadata=metadata, dataset_kwargs=more, dataset_path=None)
    assert task.documents.evaluated.docs == [{"word": "b", "rest": {"version": 1}}] * 3


def test_a_task_file_that_is_not_trusted_gives_no_arguments_to_python_of_others(maker: TaskMaker) -> None:
    make = maker.function("def made(**options):\n    return {'test': [options]}")
    config = TaskConfig(
        task="made", test_split="test", doc_to_text="q", doc_to_target="a", custom_dataset=make
    )
    scope = maker.context().scope(config, maker.folder.parent / "theirs" / "task.yaml")
    with pytest.raises(TaskError, match=r"custom_dataset: makes data by Python .*--trust-task-code"):
        _ = Documents(scope).source


def test_a_custom_dataset_that_fails_is_an_error_of_that_key(maker: TaskMaker) -> None:
    make = maker.function("def make():\n    raise RuntimeError('no luck')")
    with pytest.raises(TaskError, match="made: custom_dataset: RuntimeError: no luck"):
        _ = maker.task(custom_dataset=make).documents.evaluated


def test_the_digest_is_of_every_split_that_the_task_names_and_of_no_other(made: TaskMaker) -> None:
    keys: dict[str, Any] = {"training_split": "train", "fewshot_split": "shots"}
    before = made.task(**keys).documents.digest()
    made.data([{"from": "validation", "n": 5}], "validation")
    assert made.task(**keys).documents.digest() == before
    for split in ("train", "test", "shots"):
        made.data([{"from": split, "n": 5}], split)
        after = made.task(**keys).documents.digest()
        assert after != before
        before = after


# What is wrong with the data is said with the key and the task's file


def refusal(documents: Documents, part: str = "evaluated") -> str:
    with pytest.raises(TaskError) as caught:
        getattr(documents, part)
    return str(caught.value)


@pytest.mark.parametrize(
    ("part", "key", "keys"),
    [
        ("evaluated", "test_split", {"test_split": "gone"}),
        ("evaluated", "validation_split", {"test_split": None, "validation_split": "gone"}),
        ("fewshot_pool", "fewshot_split", {"fewshot_split": "gone"}),
        ("fewshot_pool", "fewshot_config.split", {"fewshot_config": {"split": "gone"}}),
        ("fewshot_pool", "training_split", {"training_split": "gone"}),
    ],
)
def test_a_missing_split_is_said_with_the_key_that_names_it(
    made: TaskMaker, part: str, key: str, keys: dict[str, Any]
) -> None:
    message = refusal(made.task(**keys).documents, part)
    assert message.startswith(f"made: {key}: no split 'gone' in ")
    assert message.endswith(f"there are: shots, test, train, validation (in {made.file})")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("None", "gives None, not documents"),
        ("5", "gives 5, not documents"),
        ("['a', 'b']", "document 0 is 'a', not a mapping of fields to values"),
        ("[{}, 3]", "document 1 is 3, not a mapping of fields to values"),
    ],
)
def test_a_function_that_gives_no_documents_is_an_error_of_its_key(
    made: TaskMaker, given: str, said: str
) -> None:
    process = made.function(f"def process(docs=None):\n    return {given}")
    message = refusal(made.task(process_docs=process).documents)
    assert message == f"made: process_docs: {said} (in {made.file})"
    documents = made.task(fewshot_config={"samples": process}).documents
    message = refusal(documents, "fewshot_pool")
    assert message == f"made: fewshot_config.samples: {said} (in {made.file})"


def test_a_custom_dataset_that_is_no_mapping_of_splits_is_an_error(made: TaskMaker) -> None:
    splits = made.function("def splits():\n    return 5")
    message = refusal(made.task(custom_dataset=splits).documents)
    assert message == f"made: custom_dataset: gives 5, not a mapping of splits (in {made.file})"


def test_a_missing_function_is_said_with_task_key_and_file(made: TaskMaker) -> None:
    made.function("def other(docs):\n    return docs")
    missing = FunctionRef(made.folder, "functions.process")
    message = refusal(made.task(process_docs=missing).documents)
    assert message.startswith("made: process_docs: ")
    assert "has no `process`, which !function functions.process" in message
    assert message.endswith(f"(in {made.file})")


def test_a_function_that_ends_the_process_is_an_error_of_its_key(made: TaskMaker) -> None:
    leave = made.function("def leave(docs):\n    raise SystemExit(3)")
    assert refusal(made.task(process_docs=leave).documents).startswith("made: process_docs: SystemExit: 3")


def test_an_error_of_many_lines_becomes_one(made: TaskMaker) -> None:
    fail = made.function("def fail(docs):\n    raise ValueError('one\\ntwo' + ' and more' * 200)")
    message = refusal(made.task(process_docs=fail).documents)
    assert message.startswith("made: process_docs: ValueError: one two and more and more")
    assert len(message.splitlines()) == 1
    assert len(message) < 800


@pytest.mark.parametrize(
    ("path", "keys"), [("", {}), ("json", {"data_files": 5}), ("json", {"split": "train"})]
)
def test_a_dataset_that_cannot_be_opened_in_any_way_is_an_error_of_its_task(
    made: TaskMaker, path: str, keys: dict[str, Any]
) -> None:
    documents = made.task(dataset_path=path, dataset_kwargs=keys).documents
    with pytest.raises(TaskError, match=rf"made: dataset_path: dataset '{path}' .*\(in {made.file}\)"):
        documents.digest()
