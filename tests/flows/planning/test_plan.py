"""A plan keeps the documents of a few tasks, however many it opens."""

import json
import tracemalloc
from pathlib import Path

import pytest

from flows.planning import task_work
from flows.planning.plan import Plan
from flows.planning.task_work import ToPrepare
from flows.specs.evaluation import EvaluationSpec

TASKS, DOCS, BYTES = 30, 50, 10_000
FILE = """task: {name}
dataset_path: {name}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "x"
"""


@pytest.fixture
def plan(tmp_path: Path, home: Path, no_installed_catalog: None) -> Plan:
    (tmp_path / "tasks").mkdir()
    for number in range(TASKS):
        name = f"long_{number}"
        (tmp_path / "tasks" / f"{name}.yaml").write_text(FILE.format(name=name))
        folder = tmp_path / "data" / name / "default"
        folder.mkdir(parents=True)
        rows = [{"question": f"{name} {doc} " + "word " * (BYTES // 5)} for doc in range(DOCS)]
        (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = {
        "model": "scripted:hash",
        "tasks": "long_*",
        "include_path": [tmp_path / "tasks"],
        "data_root": [tmp_path / "data"],
    }
    return Plan.of(EvaluationSpec.model_validate(given))


def test_memory_does_not_grow_with_the_number_of_tasks_prepared(plan: Plan, tmp_path: Path) -> None:
    kept: list[int] = []
    tracemalloc.start()
    try:
        for name in plan.selection.tasks:
            task_work.prepare(ToPrepare(plan.tasks.of_run(name), tmp_path / f"{name}.parquet"), print)
            kept.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    of_a_task = DOCS * BYTES
    assert kept[3] - kept[1] > of_a_task  # the documents of the last few are there
    assert abs(kept[-1] - kept[TASKS // 2]) < of_a_task
