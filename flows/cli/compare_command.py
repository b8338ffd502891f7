"""The command line of `compare`."""

import sys
from collections.abc import Sequence
from functools import partial

from flows.cli.exit_statuses import DONE, WRONG, ended
from flows.cli.flags_from_specs import Parser, add_flags, given, parse
from flows.common.errors import SpecError
from flows.policy.check import check_runs
from flows.specs.comparison import ComparisonSpec
from flows.specs.validation import validated


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status (`flows.compare`)."""
    return ended(partial(_run, sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str]) -> int:
    spec = _read_spec(arguments)
    check_runs(spec)
    from flows.comparing.comparison import compare_all
    from flows.comparing.comparison_file import write

    comparisons = compare_all(spec.runs, tasks=spec.tasks)
    print("\n\n".join(one.table(spec.flips) for one in comparisons))
    if spec.output is not None:
        write(spec.output, comparisons)
    return WRONG if any(one.refused for one in comparisons) else DONE


def _read_spec(arguments: Sequence[str]) -> ComparisonSpec:
    parser = Parser("compare.py", "Compare finished runs over the documents that they share.")
    about_runs = ComparisonSpec.model_fields["runs"].description
    parser.add_argument("runs", metavar="RUN", nargs="*", help=about_runs)
    add_flags(parser, ComparisonSpec, except_for=["runs"])
    known = parse(parser, arguments)
    if len(known.runs) < 2:
        raise SpecError("name the folders of two runs or more: compare.py RUN1 RUN2")
    return validated(ComparisonSpec, given(ComparisonSpec, known))
