"""A long text's log-likelihood from those of its windows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from backends.protocol import Batch
from backends.requests import Call, Request, Response


def sums(
    requests: Sequence[Request],
    owners: Sequence[int],
    answers: Iterator[Batch],
) -> Iterator[Batch]:
    """Each request's answer, once all its parts are there: of a text the sum over its windows.

    owners: for each of what was asked, the position of the request that it is a part of.
    """
    left = Counter(owners)
    so_far: dict[int, Response] = {}
    for batch in answers:
        whole: Batch = []
        for position, response in batch:
            owner = owners[position]
            if requests[owner].kind != "loglikelihood_rolling":
                whole.append((owner, response))
                continue
            so_far[owner] = _added(so_far.get(owner), response)
            left[owner] -= 1
            if not left[owner]:
                whole.append((owner, so_far.pop(owner)))
        if whole:
            yield whole


def _added(before: Response | None, window: Response) -> Response:
    if before is not None and not before.is_scorable:
        return before
    if before is None or not window.is_scorable:
        return replace(window, is_greedy=None)
    return replace(
        window,
        logprob=(before.logprob or 0.0) + (window.logprob or 0.0),
        is_greedy=None,
        tokens_in=before.tokens_in + window.tokens_in,
        tokens_out=before.tokens_out + window.tokens_out,
        seconds=before.seconds + window.seconds,
        call=_from_first_to_last(before.call, window.call),
    )


def _from_first_to_last(before: Call | None, window: Call | None) -> Call | None:
    """The later window's call, begun when the work on the text began; windows may end in any order."""
    if before is None or window is None:
        return window
    began = min(before.enqueued, window.enqueued)
    ended = max(before.enqueued + before.finished, window.enqueued + window.finished)
    return replace(window, enqueued=began, finished=ended - began)
