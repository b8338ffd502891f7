"""What can go wrong with a call: classified by whoever knows the endpoint, acted on by the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from backends.money.prices import Usage

FailureKind = Literal[
    "permanent", "transient", "timed_out", "rate_limited", "malformed", "forbidden", "unauthorized"
]
# Those after which the same request may be answered.
RETRIED = frozenset[FailureKind](("transient", "timed_out", "rate_limited", "malformed"))


@dataclass(frozen=True, slots=True)
class Paid:
    """What a call took whose answer came and cannot be used.

    asked, endpoint: as in `Call`. counted: whether the endpoint counted the tokens, or they are an estimate.
    """

    asked: str
    endpoint: str
    usage: Usage
    counted: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call has no answer.

    kind: `permanent`, asking again would give the same (400, 404, a prompt that is too long); `transient`, it
        may pass (5xx, a connection or stream that broke); `timed_out`, we waited no longer; `rate_limited`,
        too much at once; `malformed`, an answer came, which is paid for, and is not what the endpoint
        promises; `forbidden`, this request or every one is refused (403); `unauthorized`, nobody's request
        would be answered (401, no credit left).
    message: for people, with no secret in it.
    retry_after: seconds to wait before the next try, where the endpoint says so; above 0.
    status: the HTTP status; 0 where there was none.
    code: the endpoint's own word for it, where it has one. param: the key of the body that it is about.
    paid: what it took; None where nothing is known to have been paid for.
    """

    kind: FailureKind
    message: str
    retry_after: float | None = None
    status: int = 0
    code: str = ""
    param: str = ""
    paid: Paid | None = None


class CallFailed(Exception):
    """A call that has no answer; raised by backends, handled by the engine alone.

    came: as much of an answer as could be read, where one had begun to come.
    is_everyones: whether the endpoint answers nobody at present, so that it says nothing of the request.
    answered: the share of calls that the endpoint answered of late, as far as that is known.
    """

    def __init__(
        self,
        failure: Failure,
        came: Mapping[str, Any] | None = None,
        *,
        is_everyones: bool = False,
        answered: float = 0.0,
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.came = came
        self.is_everyones = is_everyones
        self.answered = answered
