"""Finished runs, sample by sample: the Python call, and the command line when run as a script.

Exit status 0: all tasks of the runs were compared; 2: some or all were refused, or the request was wrong.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.comparing.comparison import Comparison, Run


def compare(runs: "Sequence[Run]", *, tasks: Sequence[str] = ()) -> "list[Comparison]":
    """Compare each run with the first; runs are results or folders.

    tasks: only these tasks and groups, by name or wildcard.
    Raises NotComparable, with the reason, for runs of which no task can be compared; SpecError for a task
    that no run has; ResultError for a folder that holds no finished run.
    """
    from flows.common.event_loops import outside_event_loop
    from flows.comparing.comparison import compare_all

    with outside_event_loop():
        return compare_all(runs, tasks=tasks)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # not the script's own folder, but ours
    from flows.cli.script import run_command

    sys.exit(run_command("compare_command"))
