"""The command line of `rescore`."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial

from flows.cli.evaluate_command import show
from flows.cli.exit_statuses import DONE, FAILED, ended
from flows.cli.flags_from_specs import Parser, add_flags, given, parse
from flows.common.errors import ResultError, SpecError
from flows.specs.rescoring import RescoreSpec
from flows.specs.store_address import check_store
from flows.specs.validation import validated


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status (`flows.rescore`)."""
    words = sys.argv[1:] if arguments is None else arguments
    return ended(partial(_run, words), failures=(ResultError,), goes_on=True)


def _run(arguments: Sequence[str]) -> int:
    parser = _parser()
    known = parse(parser, arguments)
    if known.check is not None:
        return _check(known)
    spec = _read_spec(known)
    from flows.pipeline.start import run_rescoring

    return show(run_rescoring(spec, show_progress=True))


def _check(known: Namespace) -> int:
    """Say which finished runs are changed by newer rules: 1 where there are any, or some cannot be read."""
    if known.run is not None or given(RescoreSpec, known).keys() - {"store"}:
        raise SpecError("--check FOLDER stands alone, or with --store: it scores nothing")
    from flows.checking.changed_runs import check

    checked = check(known.check, known.store and check_store(known.store))
    print(checked.text())
    return FAILED if checked.changed or checked.unread else DONE


def _parser() -> Parser:
    parser = Parser(
        "rescore.py", "Score the stored answers of a finished run with the task files as they are now."
    )
    parser.add_argument("run", metavar="RUN", nargs="?", help=RescoreSpec.model_fields["run"].description)
    parser.add_argument(
        "--check",
        metavar="FOLDER",
        help="only list the finished runs below a folder (or s3://...) whose numbers newer rules change, and "
        "what mends each; exit status 1 where there are any",
    )
    add_flags(parser, RescoreSpec, except_for=["run"])
    return parser


def _read_spec(known: Namespace) -> RescoreSpec:
    if known.run is None:
        raise SpecError("name the folder of a finished run: rescore.py RUN")
    return validated(RescoreSpec, given(RescoreSpec, known))
