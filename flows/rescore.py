"""Stored answers of a finished run, scored anew: the Python call, and the command line when run as a script.

Exit status 0: all tasks scored; 1: some failed; 2: the request was wrong, or answers are not stored.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # the folder of a script comes first on its path; ours is the one above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from flows.cli.evaluate_command import ending, show
from flows.cli.flags import Parser, add_flags, given, parse
from flows.common.errors import SpecError
from flows.specs.rescoring import RescoreSpec
from flows.specs.validation import validated

if TYPE_CHECKING:
    from flows.results.evaluation_result import EvaluationResult


def rescore(spec: RescoreSpec, *, progress: bool = False) -> "EvaluationResult":
    """Score the answers of a finished run with the task files as they are now, into a folder of its own.

    No model is asked, and none is opened but for its chat template. A task that fails is named in the
    result's `failures`. progress: show a progress bar on the terminal.
    Raises SpecError where answers are not stored, before anything is written, and what
    `flows.evaluate.evaluate` raises.
    """
    from flows.pipeline.start import run

    def flow_call(_: object) -> Callable[[], Any]:
        from flows.pipeline.rescore_flow import rescore_flow

        return partial(rescore_flow, spec=spec, return_state=True)

    return run(spec.evaluation(), show_progress=progress, flow_call=flow_call)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    return ending(lambda: show(rescore(_read_spec(words), progress=True)))


def _read_spec(arguments: Sequence[str]) -> RescoreSpec:
    parser = Parser(
        prog="rescore.py",
        allow_abbrev=False,
        description="Score the stored answers of a finished run with the task files as they are now.",
    )
    parser.add_argument("run", metavar="RUN", nargs="?", help=RescoreSpec.model_fields["run"].description)
    add_flags(parser, RescoreSpec, besides=["run"])
    known = parse(parser, arguments)
    if known.run is None:
        raise SpecError("name the folder of a finished run: rescore.py RUN")
    return validated(RescoreSpec, given(RescoreSpec, known))


if __name__ == "__main__":
    sys.exit(main())
