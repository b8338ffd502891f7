"""Runs of a suite night after night, over a task of two choices and models whose answers are written down."""

import json
import os
from pathlib import Path
from unittest.mock import patch

from flows.evaluate import evaluate
from flows.specs.suite import SuiteSpec
from flows.suites.model_process import Outcome
from flows.suites.result import SuiteResult
from flows.suites.run import SuiteRun
from tests.support.lab import Lab

TASK = "choices"
DOCS = 60


class Nights:
    """A suite in a lab; each model of it answers from a file, which may be another the next night."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        lab.add_choices(TASK, DOCS)

    def spec(self, *models: object, **keys: object) -> SuiteSpec:
        """A suite over the lab's task. keys: more, or others."""
        lab = self.lab
        defaults = {"data_root": [str(lab.data)], "include_path": [str(lab.tasks)]}
        own = {"name": "nightly", "models": list(models), "tasks": [TASK], "defaults": defaults}
        return SuiteSpec.model_validate({**own, "output": str(lab.results), **keys})

    def model(self, name: str, wrong: int, task: str = TASK) -> dict[str, str]:
        """A model that answers so many documents wrong; one of that name before is replaced."""
        file = self._file(name)
        answers = {}
        for doc in range(DOCS):
            for choice, text in enumerate((f"yes {doc}", f"no {doc}")):
                is_said = (choice == doc % 2) == (doc >= wrong)
                answers[f"Question: {task} {doc}?\nAnswer: {text}"] = -1.0 if is_said else -5.0
        file.write_text(json.dumps(answers))
        return {"name": name, "model": f"scripted:{file}"}

    def run(self, spec: SuiteSpec) -> SuiteResult:
        """A run of the suite, its models one after the other in this process."""
        run = SuiteRun.create(spec)
        for name, evaluation in run.evaluations():
            with patch.dict(os.environ, ASSAY_HOME=str(self.lab.home)):
                run.add(name, Outcome(folder=str(evaluate(evaluation).folder)))
        return run.finish()

    def fail(self, spec: SuiteSpec) -> SuiteResult:
        """A run of the suite in which no model answered."""
        run = SuiteRun.create(spec)
        for name, _ in run.evaluations():
            run.add(name, Outcome(error="the endpoint is away"))
        return run.finish()

    def _file(self, name: str) -> Path:
        return self.lab.home / f"{name}.json"
