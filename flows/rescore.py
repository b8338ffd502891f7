"""Stored answers of a finished run, scored anew: the Python call, and the command line when run as a script.

Exit status 0: all tasks scored; 1: some failed; 2: the request was wrong, or answers are not stored.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.results.evaluation_result import EvaluationResult
    from flows.specs.rescoring import RescoreSpec


def rescore(spec: "RescoreSpec", *, progress: bool = False) -> "EvaluationResult":
    """Score the answers of a finished run with the task files as they are now, into a folder of its own.

    No model is asked, and none is opened but for its chat template. A task that fails is named in the
    result's `failures`. progress: show a progress bar on the terminal.
    Raises SpecError where answers are not stored, before anything is written, and what
    `flows.evaluate.evaluate` raises.
    """
    from flows.common.event_loops import outside_event_loop
    from flows.pipeline.start import run_rescoring

    with outside_event_loop():
        return run_rescoring(spec, show_progress=progress)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # not the script's own folder, but ours
    from flows.cli.script import run_command

    sys.exit(run_command("rescore_command"))
