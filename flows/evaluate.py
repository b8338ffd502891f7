"""One model, many tasks: the Python call, and the command line when run as a script."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.results.evaluation_result import EvaluationResult
    from flows.specs.evaluation import EvaluationSpec


def evaluate(spec: "EvaluationSpec", *, progress: bool = False) -> "EvaluationResult":
    """Evaluate the model on the tasks as a Prefect flow run, and give what was found.

    A task that fails is named in the result's `failures`; the others are scored. What was answered is kept
    in the response store, so the same call after an interruption asks only for what is missing.

    progress: show a progress bar on the terminal.
    Raises TaskError, BackendError or SpecError for a request that is wrong, before any model is loaded, and
    ResultError where the results cannot be written.
    """
    from flows.common.event_loops import outside_event_loop
    from flows.pipeline.start import run

    with outside_event_loop():
        return run(spec, show_progress=progress)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # not the script's own folder, but ours
    from flows.cli.script import run_command

    sys.exit(run_command("evaluate_command"))
