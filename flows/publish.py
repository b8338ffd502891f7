"""Publish a finished run, again or elsewhere: the Python call, and the command line when run as a script.

Exit status 0: published; 1: could not be; 2: the request itself was wrong.
"""

import sys
from pathlib import Path


def publish(run: str | Path, to: str) -> str:
    """Publish the run in a folder to a sink (`hub:org/name`, docs/publishing.md), and give its address there.

    A run that is there already stays as it is. Raises SpecError for a sink there is not or that lacks its
    package, ResultError for a folder without a finished run, and PublishError where the sink fails.
    """
    from flows.common.event_loops import outside_event_loop
    from flows.policy.check import check_publishing
    from flows.sinks.registry import publish_run

    check_publishing(run, to)
    with outside_event_loop():
        return publish_run(run, to)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # not the script's own folder, but ours
    from flows.cli.script import run_command

    sys.exit(run_command("publish_command"))
