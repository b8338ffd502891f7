"""What a response may not say to count as an answer, whoever gave it and whenever it was stored."""

import sys
from dataclasses import replace

from backends.requests import RequestKind, Response

# By which a log-likelihood may be above 0: what rounding adds up to over the tokens of a long continuation
# that is certain to the last, in single precision.
ROUNDING = 1e-3


def logprob_fault(logprob: float) -> str | None:
    """What is wrong with a log-likelihood; None where it can be one."""
    if -sys.float_info.max <= logprob <= ROUNDING:  # whatever its type: also an integer of 400 digits
        return None
    if logprob != logprob:
        return "the log-likelihood is not a number (NaN)"
    is_infinite = abs(logprob) > sys.float_info.max
    return "the log-likelihood is infinite" if is_infinite else f"the log-likelihood is above 0: {logprob:g}"


def checked(response: Response) -> Response:
    """A response that came just now: failed, with the reason, where it says what no answer can."""
    if not response.is_scorable or response.logprob is None:
        return response
    fault = logprob_fault(response.logprob)
    if fault is None:
        return response
    return replace(response, status="failed", logprob=None, is_greedy=None, error=fault)


def answers_kind(kind: RequestKind, response: Response) -> Response:
    """`checked`, failed too where a log-likelihood was asked and there is none."""
    if kind == "generate_until" or response.status != "answer" or response.logprob is not None:
        return checked(response)
    return replace(response, status="failed", error="the answer has no log-likelihood")


def may_not_stand(response: Response) -> bool:
    """Whether a stored response counts as missing: what no answer can say, and what earlier versions took for
    an empty answer though it was cut off, by a stop sequence, while the model was thinking.

    A model behind an endpoint may also say nothing after its thinking. That looks the same, and so counts
    once more as missing; whoever stores it then says that it was looked at (`ResponseStore.put_many`).
    """
    if response.logprob is not None and logprob_fault(response.logprob):
        return True
    return says_nothing_after_thinking(response)


def says_nothing_after_thinking(response: Response) -> bool:
    """Whether a model behind an endpoint has thought, and its answer is empty and yet counts as whole."""
    is_of_endpoint = response.call is not None and bool(response.call.asked)
    is_empty = response.status == "answer" and response.text == "" and bool(response.thinking)
    return is_of_endpoint and is_empty and not response.cut_while_thinking
