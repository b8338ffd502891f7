"""A long text's log-likelihood from those of its windows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from backends.protocol import Batch
from backends.requests import Response


def sums(owners: Sequence[int], answers: Iterator[Batch]) -> Iterator[Batch]:
    """Each text's log-likelihood: the sum over its windows, once all are there.

    owners: for each window, the position of the text that it is a part of.
    """
    left = Counter(owners)
    so_far: dict[int, Response] = {}
    for batch in answers:
        whole: Batch = []
        for position, response in batch:
            owner = owners[position]
            so_far[owner] = _added(so_far.get(owner), response)
            left[owner] -= 1
            if not left[owner]:
                whole.append((owner, so_far.pop(owner)))
        if whole:
            yield whole


def _added(before: Response | None, window: Response) -> Response:
    if before is None or not before.is_scorable:
        return before or window
    if not window.is_scorable:
        return window
    return replace(
        window,
        logprob=(before.logprob or 0.0) + (window.logprob or 0.0),
        is_greedy=None,
        tokens_in=before.tokens_in + window.tokens_in,
        tokens_out=before.tokens_out + window.tokens_out,
        seconds=before.seconds + window.seconds,
    )
