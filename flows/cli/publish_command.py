"""The command line of `publish`."""

import sys
from collections.abc import Sequence
from functools import partial

from flows.cli.exit_statuses import DONE, ended
from flows.cli.flags_from_specs import Parser, parse
from flows.common.errors import PublishError, SpecError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status (`flows.publish`)."""
    words = sys.argv[1:] if arguments is None else arguments
    return ended(partial(_run, words), failures=(PublishError,))


def _run(arguments: Sequence[str]) -> int:
    parser = Parser("publish.py", "Publish a finished run.")
    parser.add_argument("run", metavar="RUN", nargs="?", help="folder of the run, which has its results.json")
    parser.add_argument("--to", action="append", metavar="SINK", help="hub:org/name, ...")
    known = parse(parser, arguments)
    if known.run is None or not known.to:
        raise SpecError("name the folder of a run and a sink: publish.py RUN --to hub:org/name")
    from flows.policy.check import check_publishing
    from flows.sinks.registry import publish_run

    for sink in known.to:
        check_publishing(known.run, sink)
    for sink in known.to:
        print(f"published: {publish_run(known.run, sink)}")
    return DONE
