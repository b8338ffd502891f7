"""A suite of models and tasks: the Python call, and the command line when run as a script.

Exit status 0: all is scored and nothing worse; 1: a model or task failed, or the run was cut short; 2: the
request itself was wrong; 3: a regression.
"""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # the folder of a script comes first on its path; ours is the one above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from flows.cli.evaluate_command import ending
from flows.cli.flags import Parser, parse
from flows.common.errors import SpecError
from flows.prefect_api.temporary_server import PrefectApi
from flows.specs.suite import SuiteSpec, read_suite

if TYPE_CHECKING:
    from flows.suites.result import SuiteResult

GOOD, FAILED, REGRESSION = 0, 1, 3


def benchmark(spec: SuiteSpec, *, progress: bool = False) -> "SuiteResult":
    """Evaluate a suite as a Prefect flow run with one below it for each model, and give what was found.

    progress: say on standard error what is done.
    Raises SpecError and TaskError for a request that is wrong, before any model is asked, and ResultError
    where the results cannot be written.
    """
    with PrefectApi() as api:  # its server gets ready while all else is; hence the late imports
        from flows.reporting.reporter import reporting
        from flows.suites.benchmark_flow import benchmark_flow
        from flows.suites.result import SuiteResult

        with reporting(progress), api.connected():
            state: Any = benchmark_flow(suite=spec, return_state=True)
    folder = state.result(raise_on_failure=False)
    if isinstance(folder, BaseException):
        raise folder
    return SuiteResult.open(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status."""
    return ending(partial(_run, sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str]) -> int:
    result = benchmark(_read_suite(arguments), progress=True)
    print(f"{result.text()}\n\nResults: {result.folder}")
    return _status(result)


def _read_suite(arguments: Sequence[str]) -> SuiteSpec:
    parser = Parser(
        prog="benchmark.py",
        allow_abbrev=False,
        description="Evaluate a suite of models and tasks, and say what changed since its last run.",
    )
    example = "deployments/suites/nightly.yaml"
    parser.add_argument("--suite", metavar="FILE", type=Path, help=f"the suite's YAML file, as {example}")
    file = parse(parser, arguments).suite
    if file is None:  # argparse would say so first, and nothing of a flag that is misspelt
        raise SpecError(f"--suite: name the suite's YAML file, as {example}")
    return read_suite(file)


def _status(result: "SuiteResult") -> int:
    if result.changes.regressions:
        return REGRESSION
    return FAILED if result.board.reasons() else GOOD


if __name__ == "__main__":
    sys.exit(main())
