"""Finished runs, sample by sample: the Python call, and the command line when run as a script.

Exit status 0: all tasks of the runs were compared; 2: some or all were refused, or the request was wrong.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # the folder of a script comes first on its path; ours is the one above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from flows.cli.flags import Parser, add_flags, given, parse
from flows.common.errors import USER_ERRORS, SpecError
from flows.specs.comparison import ComparisonSpec
from flows.specs.validation import validated

if TYPE_CHECKING:
    from flows.comparing.comparison import Comparison, Run

COMPARED, REFUSED = 0, 2


def compare(runs: "Sequence[Run]", *, tasks: Sequence[str] = ()) -> "list[Comparison]":
    """Compare each run with the first; runs are results or folders.

    tasks: only these tasks and groups, by name or wildcard.
    Raises NotComparable, with the reason, for runs of which no task can be compared; SpecError for a task
    that no run has; ResultError for a folder that holds no finished run.
    """
    from flows.comparing.comparison import compare_all

    return compare_all(runs, tasks=tasks)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status."""
    try:
        spec = _read_spec(sys.argv[1:] if arguments is None else arguments)
        comparisons = compare(spec.runs, tasks=spec.tasks)
        print("\n\n".join(one.table(spec.flips) for one in comparisons))
        if spec.output is not None:
            from flows.comparing.comparison_file import write

            write(spec.output, comparisons)
    except USER_ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    return REFUSED if any(one.refused for one in comparisons) else COMPARED


def _read_spec(arguments: Sequence[str]) -> ComparisonSpec:
    parser = Parser(
        prog="compare.py",
        allow_abbrev=False,
        description="Compare finished runs over the documents that they share.",
    )
    about_runs = ComparisonSpec.model_fields["runs"].description
    parser.add_argument("runs", metavar="RUN", nargs="*", help=about_runs)
    add_flags(parser, ComparisonSpec, besides=["runs"])
    known = parse(parser, arguments)
    if len(known.runs) < 2:
        raise SpecError("name the folders of two runs or more: compare.py RUN1 RUN2")
    return validated(ComparisonSpec, given(ComparisonSpec, known))


if __name__ == "__main__":
    sys.exit(main())
