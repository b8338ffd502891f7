"""The command line of `benchmark`."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.exit_statuses import DONE, FAILED, ended
from flows.cli.flags_from_specs import Parser, parse
from flows.common.errors import ResultError, SpecError
from flows.specs.suite import SuiteSpec, read_suite

if TYPE_CHECKING:
    from flows.suites.result import SuiteResult

REGRESSION = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status (`flows.benchmark`)."""
    words = sys.argv[1:] if arguments is None else arguments
    return ended(partial(_run, words), failures=(ResultError,), goes_on=True)


def _run(arguments: Sequence[str]) -> int:
    spec = _read_suite(arguments)
    from flows.suites.start import run_suite

    result = run_suite(spec, show_progress=True)
    print(f"{result.text()}\n\nResults: {result.folder}")
    return _status(result)


def _read_suite(arguments: Sequence[str]) -> SuiteSpec:
    parser = Parser(
        "benchmark.py", "Evaluate a suite of models and tasks, and say what changed since its last run."
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
    return FAILED if result.board.reasons() else DONE
