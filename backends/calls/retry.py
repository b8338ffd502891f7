"""How often and when a request that failed is asked again."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_exponential,
    wait_random,
)

from backends.calls.endpoint_options import EndpointOptions
from backends.calls.failure import RETRIED, CallFailed, FailureKind
from backends.calls.loop import loop_time

T = TypeVar("T")
# Those that no answer came with, which would be paid for each time (`CallEngine`).
_UNPAID = RETRIED - {"malformed"}
# Waits double up to this; longer ones only hold up the end of a run.
_LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """max_tries: of a request, the first included. total_timeout: seconds from the first try after which no
    other is made. backoff: seconds before the second try; doubled from try to try, and up to half as much
    added by chance, so that requests that failed together do not come back together."""

    max_tries: int
    total_timeout: float
    backoff: float

    @classmethod
    def of(cls, options: EndpointOptions) -> "RetryPolicy":
        return cls(options.max_tries, options.total_timeout, options.backoff)

    async def after(
        self,
        first: CallFailed,
        attempt: Callable[[], Awaitable[T]],
        on_failure: Callable[[CallFailed], None],
        began: float,
    ) -> T:
        """What comes of a request whose first try failed, by making the others. Raises the last failure, and
        that of an answer that came and cannot be read.

        began: when that first try did, by the loop's clock.
        """
        failed: list[CallFailed] = [first]

        async def again() -> T:
            if failed:
                raise failed.pop()
            return await attempt()

        result: T = await self.retrying(on_failure, began, _UNPAID)(again)
        return result

    def retrying(
        self,
        on_failure: Callable[[CallFailed], None],
        began: float | None = None,
        retried: Collection[FailureKind] = RETRIED,
    ) -> AsyncRetrying:
        """What makes the tries of one request; `on_failure` is told of each that failed and is made again.

        began: when the first did; now, if it is not said. It costs more than a call that is answered at once:
        see `after`.
        """
        ends = (loop_time() if began is None else began) + self.total_timeout
        usual = wait_exponential(self.backoff, max=_LONGEST_WAIT) + wait_random(0, self.backoff / 2)

        def wait(state: RetryCallState) -> float:
            named = _failed(state).failure.retry_after
            return usual(state) if named is None else named + wait_random(0, self.backoff)(state)

        return AsyncRetrying(
            stop=lambda state: state.attempt_number >= self.max_tries or loop_time() >= ends,
            wait=wait,
            retry=retry_if_exception(lambda error: _kind_of(error) in retried),
            before_sleep=lambda state: on_failure(_failed(state)),
            reraise=True,
        )


def _kind_of(error: BaseException) -> FailureKind | None:
    return error.failure.kind if isinstance(error, CallFailed) else None


def _failed(state: RetryCallState) -> CallFailed:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, CallFailed)
    return error
