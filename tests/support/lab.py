"""A workplace for tests of whole runs: a home, tasks of its own, and a model that logs what it is asked."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from flows.evaluate import evaluate
from flows.results.evaluation_result import EvaluationResult
from flows.specs.evaluation import EvaluationSpec
from tests.support.commands import COMMANDS, Process, started
from tests.support.fork_server import Command
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

SCRIPT = ROOT / "flows" / "evaluate.py"


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left behind."""

    status: int
    out: str
    errors: str


class Lab:
    """`<root>/{home, data, tasks, results, asked}`: all that a run reads and writes."""

    def __init__(self, root: Path, beside: "Lab | None" = None) -> None:
        """beside: a lab whose tasks and data this one has too."""
        self.home = root / "home"
        self.data: Path = beside.data if beside else root / "data"
        self.tasks: Path = beside.tasks if beside else root / "tasks"
        self.results = root / "results"
        self.log = root / "asked"
        for folder in (self.data, self.tasks, self.home):
            folder.mkdir(parents=True, exist_ok=True)
        if beside and (beside.home / "catalog").exists():
            (self.home / "catalog").symlink_to(beside.home / "catalog")

    # What is asked

    def add_choices(self, name: str, docs: int, **keys: object) -> Path:
        """A task of two choices a document; its file. `keys` replace those of the file."""
        rows = [
            {"question": f"{name} {i}?", "choices": [f"yes {i}", f"no {i}"], "answer": i % 2}
            for i in range(docs)
        ]
        self.write_data(name, rows)
        own = {"output_type": "multiple_choice", "doc_to_choice": "choices"}
        return self._write_task(name, {**own, **keys})

    def add_texts(self, name: str, docs: int, **keys: object) -> Path:
        """A task that generates a number for each document."""
        self.write_data(name, [{"question": f"{name} {i}?", "answer": str(i)} for i in range(docs)])
        own = {
            "output_type": "generate_until",
            "generation_kwargs": {"until": ["\n"], "max_gen_toks": 8},
            "filter_list": [_extract("number", r"(\d+)")],
            "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        }
        return self._write_task(name, {**own, **keys})

    def write_data(self, name: str, rows: Sequence[Any], split: str = "test") -> Path:
        """The documents of a task's split."""
        file = self.data / name / "default" / f"{split}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        return file

    def edit_task(self, name: str, **keys: object) -> None:
        """Replace keys of a task's file."""
        file = self.tasks / f"{name}.yaml"
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **keys}), encoding="utf-8")

    def _write_task(self, name: str, keys: dict[str, object]) -> Path:
        file = self.tasks / f"{name}.yaml"
        content: dict[str, object] = {
            "task": name,
            "dataset_path": name,
            "test_split": "test",
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "doc_to_target": "answer",
            **keys,
        }
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return file

    # Runs

    def spec(self, tasks: str, model: str = "scripted:hash", **keys: object) -> EvaluationSpec:
        """A run of this lab; `?log=` and more options of the scripted model come after `model`."""
        return EvaluationSpec.model_validate({**self._keys(tasks, model), **keys})

    def evaluate(self, tasks: str, model: str = "scripted:hash", **keys: object) -> EvaluationResult:
        """The run, in this process; what it says goes to standard error."""
        with patch.dict(os.environ, ASSAY_HOME=str(self.home)):
            return evaluate(self.spec(tasks, model, **keys), progress=True)

    def start(
        self,
        *flags: str,
        tasks: str = "",
        model: str = "scripted:hash",
        through: Sequence[str] = (),
        **env: str,
    ) -> Process:
        """The run as a command, in a process group of its own; what is "" is left out.

        flags: more, which win over the lab's. through: the command that runs the script, where it is not
        begun as quickly as can be. env: more of the environment.
        """
        keys = {key.replace("_", "-"): value for key, value in self._keys(tasks, model).items() if value}
        given = [f"--{key}={value}" for key, value in keys.items()]
        environment = {**os.environ, "ASSAY_HOME": str(self.home), **env}
        there = {name: value for name, value in environment.items() if value}
        command = Command(str(SCRIPT), [*given, *flags], os.getcwd(), there)
        return started(through, command) if through else COMMANDS.start(command)

    def run(self, *flags: str, **how: Any) -> Finished:
        """The run as a command, to its end."""
        return finish(self.start(*flags, **how))

    def _keys(self, tasks: str, model: str) -> dict[str, str]:
        return {
            "tasks": tasks,
            "model": self._logging(model),
            "data_root": str(self.data),
            "include_path": str(self.tasks),
            "output": str(self.results),
        }

    def _logging(self, model: str) -> str:
        if not model.startswith("scripted:"):
            return model
        return f"{model}{'&' if '?' in model else '?'}log={self.log}"

    def undisturbed(self, root: Path, tasks: str) -> Any:
        """The scores of a run of the same tasks with a home of its own, to which nothing happens."""
        return Lab(root, beside=self).evaluate(tasks).results["results"]

    # What came of them

    @property
    def asked(self) -> int:
        """How many requests have reached the model so far."""
        return self.log.read_text().count("\n") if self.log.exists() else 0

    @property
    def last(self) -> dict[str, Any]:
        """The content of the newest `results.json`."""
        newest = max(self.results.glob("*/*/results.json"), key=lambda file: file.stat().st_mtime_ns)
        content: dict[str, Any] = json.loads(newest.read_text(encoding="utf-8"))
        return content

    @property
    def all_records(self) -> list[Any]:
        """What `results.json` has, of all runs that came to their end."""
        files = self.results.glob("*/*/results.json")
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]

    @property
    def all_results(self) -> list[Any]:
        """The scores of all runs that came to their end."""
        return [record["results"] for record in self.all_records]


def finish(process: Process) -> Finished:
    """Wait for a command."""
    out, errors = process.communicate(timeout=PATIENCE)
    return Finished(process.wait(), out, errors)


def _extract(name: str, pattern: str) -> dict[str, Any]:
    regex = {"function": "regex", "regex_pattern": pattern}
    return {"name": name, "filter": [regex, {"function": "take_first"}]}
