"""A suite of models and tasks: the Python call, and the command line when run as a script.

Exit status 0: all is scored and nothing worse; 1: a model or task failed, or the run was cut short; 2: the
request itself was wrong; 3: a regression.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.specs.suite import SuiteSpec
    from flows.suites.result import SuiteResult


def benchmark(spec: "SuiteSpec", *, progress: bool = False) -> "SuiteResult":
    """Evaluate a suite as a Prefect flow run with one below it for each model, and give what was found.

    progress: say on standard error what is done.
    Raises SpecError and TaskError for a request that is wrong, before any model is asked, and ResultError
    where the results cannot be written.
    """
    from flows.common.event_loops import outside_event_loop
    from flows.suites.start import run_suite

    with outside_event_loop():
        return run_suite(spec, show_progress=progress)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # not the script's own folder, but ours
    from flows.cli.script import run_command

    sys.exit(run_command("benchmark_command"))
