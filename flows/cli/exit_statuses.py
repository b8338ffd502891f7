"""What all commands share: how they end, with which messages and exit statuses."""

import errno
import sys
from collections.abc import Callable

from flows.common.errors import USER_ERRORS
from flows.common.termination import Terminated, raising_terminated
from metrics.shown_text import in_lines

DONE, FAILED, WRONG, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
GO_ON = "What was answered is kept; the same command goes on from here."


def ended(
    work: Callable[[], int], *, failures: tuple[type[Exception], ...] = (), goes_on: bool = False
) -> int:
    """Do the work of a command: its exit status, or that of what went wrong, which is said.

    failures: the user's errors that are no wrong request. goes_on: whether the same command goes on where it
    was stopped.
    """
    try:
        with raising_terminated():
            return work()
    except USER_ERRORS as error:
        is_failure = isinstance(error, failures)
        print(
            f"error: {in_lines(str(error))}",
            *([GO_ON] if is_failure and goes_on else []),
            sep="\n",
            file=sys.stderr,
        )
        return FAILED if is_failure else WRONG
    except (Exception, KeyboardInterrupt, Terminated) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            name = str(error.filename)
            print(
                f"error: a name is longer than file systems take: {name[:60]}... ({len(name)} characters)",
                file=sys.stderr,
            )
            return WRONG
        # Prefect's engine, interrupted as a step begins, fails while it cleans up, and that is what arrives.
        if (stopped := _stopped_by(error)) is None:
            raise
        said, status = stopped
        print(f"\n{said}.", *([GO_ON] if goes_on else []), file=sys.stderr)
        return status


def _stopped_by(error: BaseException | None) -> tuple[str, int] | None:
    """What to say of Ctrl-C or SIGTERM, and the exit status, where the error is one, or was raised while one
    was being handled."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return "Interrupted", INTERRUPTED
        if isinstance(error, Terminated):
            return "Terminated", TERMINATED
        error = error.__context__
    return None
