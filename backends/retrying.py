"""Calls that are made again for as long as what they need may come back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """seconds: how long a call is tried again; 0 for one try. first, longest: seconds between two tries, of
    which a part is drawn by chance, so that those who failed together do not come back together."""

    seconds: float
    first: float = 0.2
    longest: float = 5.0


# What stores responses and results: a server that is restarted or fails over is back within this; a person is
# not much later told of another.
PATIENT = Patience(seconds=90)
ONCE = Patience(seconds=0)


def tried(call: Callable[[], T], patience: Patience, may_pass: Callable[[BaseException], bool]) -> T:
    """What a call gives, which is made again while it fails with what may pass. Raises its last error."""
    # Late, for `--help`: importing it takes a tenth of a second, where tornado is installed half of one.
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

    retrying = Retrying(
        retry=retry_if_exception(may_pass),
        stop=stop_after_delay(patience.seconds),
        wait=wait_random_exponential(patience.first, patience.longest),
        reraise=True,
    )
    return retrying(call)


class Retrier:
    """Tries calls of one kind again, which need the same.

    Once that was in vain calls are tried once, until one works: what stays away is waited for once, not
    once for each task and shard. may_pass: whether an error is of that kind.
    """

    def __init__(self, patience: Patience, may_pass: Callable[[BaseException], bool]) -> None:
        self._patience = patience
        self._may_pass = may_pass
        self._was_in_vain = False

    def __call__(self, call: Callable[[], T]) -> T:
        try:
            result = tried(call, ONCE if self._was_in_vain else self._patience, self._may_pass)
        except BaseException as error:
            self._was_in_vain = self._may_pass(error)
            raise
        self._was_in_vain = False
        return result
