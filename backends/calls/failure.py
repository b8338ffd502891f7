"""What can go wrong with a call: classified by whoever knows the endpoint, acted on by the engine."""

from dataclasses import dataclass
from typing import Literal

FailureKind = Literal["permanent", "transient", "rate_limited", "malformed", "unauthorized"]
# Those after which the same request may be answered.
RETRIED = frozenset[FailureKind](("transient", "rate_limited", "malformed"))


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call has no answer.

    kind: `permanent`, asking again would give the same (400, 404, a prompt that is too long); `transient`, it
        may pass (5xx, a connection or stream that broke, a time-out); `rate_limited`, too much at once;
        `malformed`, the answer is not what the endpoint promises; `unauthorized`, nobody's request would be
        answered (401, 403, no credit left).
    message: for people, with no secret in it.
    retry_after: seconds to wait before the next try, where the endpoint says so.
    status: the HTTP status; 0 where there was none.
    code: the endpoint's own word for it, where it has one.
    """

    kind: FailureKind
    message: str
    retry_after: float | None = None
    status: int = 0
    code: str = ""


class CallFailed(Exception):
    """A call that has no answer; raised by backends, handled by the engine alone."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
