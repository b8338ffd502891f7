"""What all commands share: how they end, with which messages and exit statuses."""

import sys
from collections.abc import Callable

from flows.common.errors import USER_ERRORS

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
GO_ON = "What was answered is kept; the same command goes on from here."


def ended(
    work: Callable[[], int], *, failures: tuple[type[Exception], ...] = (), goes_on: bool = False
) -> int:
    """Do the work of a command: its exit status, or that of what went wrong, which is said.

    failures: the user's errors that are no wrong request. goes_on: whether the same command goes on where it
    was stopped.
    """
    try:
        return work()
    except USER_ERRORS as error:
        is_failure = isinstance(error, failures)
        print(f"error: {error}", *([GO_ON] if is_failure and goes_on else []), sep="\n", file=sys.stderr)
        return FAILED if is_failure else WRONG
    except (Exception, KeyboardInterrupt) as error:
        # Prefect's engine, interrupted as a step begins, fails while it cleans up, and that is what arrives.
        if not _came_of_interrupt(error):
            raise
        print("\nInterrupted.", *([GO_ON] if goes_on else []), file=sys.stderr)
        return INTERRUPTED


def _came_of_interrupt(error: BaseException | None) -> bool:
    """Whether it is Ctrl-C, or was raised while that was being handled."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
