"""How the scripts begin. Their commands take half a second to import, in which Ctrl-C is said as it is later;
hence nothing is imported here."""

import gc
import sys


def run_command(module: str) -> int:
    """The exit status of the command of a module in this package."""
    try:
        from importlib import import_module

        from flows.common.garbage_collection import look_less_often

        look_less_often()
        command = import_module(f"flows.cli.{module}")
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return 130  # which `flows.cli.exit_statuses` is not there to name
    status = int(command.main())
    gc.freeze()  # Python would look through all there is once more when it ends: half a second
    return status
