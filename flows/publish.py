"""Publish a finished run, again or elsewhere: the Python call, and the command line when run as a script.

Exit status 0: published; 1: could not be; 2: the request itself was wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # the folder of a script comes first on its path; ours is the one above
    sys.path[0] = str(Path(__file__).resolve().parents[1])


def publish(run: str | Path, to: str) -> str:
    """Publish the run in a folder to a sink (`hub:org/name`, docs/publishing.md), and give its address there.

    A run that is there already stays as it is. Raises SpecError for a sink there is not or that lacks its
    package, ResultError for a folder without a finished run, and PublishError where the sink fails.
    """
    from flows.results.evaluation_result import EvaluationResult
    from flows.results.run_folder import RunFolder
    from flows.sinks.registry import check_sink, open_sink

    result = EvaluationResult.open(run)
    check_sink(to, RunFolder(result.folder).read_model())
    return open_sink(to).publish(result)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status."""
    from flows.common.errors import USER_ERRORS, PublishError

    parser = argparse.ArgumentParser(prog="publish.py", description="Publish a finished run.")
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run, which has its results.json")
    parser.add_argument("--to", action="append", required=True, metavar="SINK", help="hub:org/name, ...")
    given = parser.parse_args(arguments)
    try:
        for sink in given.to:
            print(f"published: {publish(given.run, sink)}")
    except PublishError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except USER_ERRORS as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
