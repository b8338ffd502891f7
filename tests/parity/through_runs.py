"""Scores of many tasks in one run of `flows.evaluate`, beside what lm-eval says of the same answers.

A run gets what a user would give it: a folder of task files, each of which includes the catalog's and names
other data, a data root with these, and a model, whose answers are written down.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from flows import EvaluationResult, EvaluationSpec, evaluate
from flows.common.errors import SpecError
from flows.results.run_folder import RunFolder
from flows.results.samples_file import as_json, read_samples
from tasks_lib.errors import MissingResource, TaskError
from tests.parity.both_sides import Looked, Outcome
from tests.parity.bounds import quietly
from tests.parity.comparison import Different, same
from tests.parity.lm_eval_side import LIMIT
from tests.parity.noted_answers import MODEL


def compared(looked: Sequence[Looked]) -> list[Outcome]:
    """The tasks, scored in one run; where that is refused, in runs of half as many."""
    if not looked:
        return []
    try:
        with tempfile.TemporaryDirectory() as folder, quietly():
            result = run(looked, Path(folder))
            return [_outcome(one, result) for one in looked]
    except (SpecError, TaskError, SystemExit) as error:
        if len(looked) == 1:
            return [_refused(looked[0].task, error)]
    middle = len(looked) // 2
    return [*compared(looked[:middle]), *compared(looked[middle:])]


def _refused(task: str, error: BaseException) -> Outcome:
    """lm-eval misses what is not here only where a document needs it."""
    if isinstance(error, MissingResource):
        return Outcome(task, "not compared", str(error))
    return Outcome(task, "different", f"only Assay refuses it: {error}")


def run(looked: Sequence[Looked], folder: Path) -> EvaluationResult:
    for one in looked:
        _write(one, folder)
    given = {
        "model": f"{MODEL}?version={uuid4().hex}",  # another model each time: no stored answer serves
        "tasks": [one.task for one in looked],
        "limit": LIMIT,
        "include_path": [folder / "tasks"],
        "data_root": [folder / "data"],
        "trust_task_code": True,
        "allow_unsafe_code": True,
        "compat": "lm-eval",
        "output": folder / "results",
        "store": str(folder / "answers.sqlite"),
    }
    return evaluate(EvaluationSpec.model_validate(given))


def _write(one: Looked, folder: Path) -> None:
    """The file of a task and its data."""
    data = folder / "data" / one.task / "default"
    data.mkdir(parents=True)
    for split, rows in one.splits.made.items():
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        (data / f"{split}.jsonl").write_text(text, encoding="utf-8")
    other = {"dataset_path": one.task, "dataset_name": None, "dataset_kwargs": None, "custom_dataset": None}
    (folder / "tasks").mkdir(exist_ok=True)
    file = folder / "tasks" / f"{one.task}.yaml"
    # JSON is YAML
    file.write_text(json.dumps({"include": str(one.path), "task": one.task, **other}), encoding="utf-8")


def _outcome(one: Looked, result: EvaluationResult) -> Outcome:
    try:
        _compare(one, result)
    except Different as error:
        return Outcome(one.task, "different", str(error))
    expected = one.expected
    return Outcome(one.task, "equal", requests=len(expected.requests), varied=expected.vary)


def _compare(one: Looked, result: EvaluationResult) -> None:
    """Raise Different where a run says anything else than lm-eval."""
    if one.task in result.failures:
        raise Different(f"only Assay fails: {result.failures[one.task]}")
    rows = read_samples(RunFolder(result.folder).samples(one.task))
    arguments = {row["doc_id"]: row["arguments"] for row in rows}
    theirs: dict[int, list[Any]] = {}
    for instance in one.expected.requests:
        theirs.setdefault(instance.doc_id, []).append(list(instance.args))
    for doc_id, asked in theirs.items():
        same(f"document {doc_id}, arguments", _plain(asked), _unseeded(arguments.get(doc_id)))
    same("number of samples", len(one.expected.samples), len(rows))
    for (name, doc_id, filtered, target, scores), row in zip(one.expected.samples, rows, strict=True):
        same("filter and document", (name, doc_id), (row["filter"], row["doc_id"]))
        where = f"document {doc_id}, filter {name}"
        same(f"{where}, filtered answers", _plain(filtered), row["filtered_resps"])
        same(f"{where}, target", _plain(target), row["target"])
        for metric, score in scores.items():
            same(f"{where}, {metric}", _plain(score), _value(row.get(metric)))
    ours = result.results["results"][one.task]
    same("scores", one.expected.aggregated, {key: value for key, value in ours.items() if "," in key})
    same("number of documents", one.expected.size, ours["sample_len"])


def _unseeded(arguments: Any) -> Any:
    """The seed of sampled generations is Assay's."""
    for asked in arguments or ():
        for one in asked:
            if isinstance(one, dict):
                one.pop("seed", None)
    return arguments


def _value(given: Any) -> Any:
    """A score as the samples have it: a number, or what is nested as JSON."""
    return json.loads(given) if isinstance(given, str) else given


def _plain(value: Any) -> Any:
    """As JSON can say it."""
    return json.loads(as_json(value))
