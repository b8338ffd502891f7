"""The command line of `rescore`."""

import sys
from collections.abc import Sequence
from functools import partial

from flows.cli.evaluate_command import show
from flows.cli.exit_statuses import ended
from flows.cli.flags_from_specs import Parser, add_flags, given, parse
from flows.common.errors import ResultError, SpecError
from flows.specs.rescoring import RescoreSpec
from flows.specs.validation import validated


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status (`flows.rescore`)."""
    words = sys.argv[1:] if arguments is None else arguments
    return ended(partial(_run, words), failures=(ResultError,), goes_on=True)


def _run(arguments: Sequence[str]) -> int:
    spec = _read_spec(arguments)
    from flows.pipeline.start import run_rescoring

    return show(run_rescoring(spec, show_progress=True))


def _read_spec(arguments: Sequence[str]) -> RescoreSpec:
    parser = Parser(
        "rescore.py", "Score the stored answers of a finished run with the task files as they are now."
    )
    parser.add_argument("run", metavar="RUN", nargs="?", help=RescoreSpec.model_fields["run"].description)
    add_flags(parser, RescoreSpec, except_for=["run"])
    known = parse(parser, arguments)
    if known.run is None:
        raise SpecError("name the folder of a finished run: rescore.py RUN")
    return validated(RescoreSpec, given(RescoreSpec, known))
