"""Folders of runs, as a run makes its own."""

from flows.results.run_folder import RunFolder
from flows.specs.evaluation import EvaluationSpec


def created(spec: EvaluationSpec) -> RunFolder:
    """The folder that a run of the spec begins with."""
    return RunFolder.create(spec.output, spec.model, spec.written())
