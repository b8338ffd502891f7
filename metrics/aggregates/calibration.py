"""Expected calibration error over a corpus of (confidence, is right) pairs.

Source: Guo et al. (2017), "On Calibration of Modern Neural Networks", section 2: documents are put into bins
((m - 1) / M, m / M] of equal width by the confidence of the answer; the error is the mean over documents of
the distance between the accuracy and the mean confidence of a document's bin.
"""

from collections.abc import Sequence

import numpy as np

from metrics.bootstrap import Floats, Resampled, of_sums
from metrics.errors import MetricError

Pairs = Sequence[tuple[float, float]]


def ece(items: Pairs, *, bins: int = 10) -> float:
    """The expected calibration error, from 0 (confidence is accuracy) to 1.

    items: for each document the probability of the answer that was chosen, and whether it is right.
    bins: how many bins confidences from 0 to 1 are put into.
    """
    return float(_of_sums(_terms(items, bins).sum(axis=0, keepdims=True))[0])


def resampled_ece(items: Pairs, *, bins: int = 10) -> Resampled:
    return of_sums(_terms(items, bins), _of_sums)


def _terms(items: Pairs, bins: int) -> Floats:
    """Per document: right - confidence in the column of its bin, and a 1 in the last column."""
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise MetricError(f"ece: bins must be a number of bins, such as 10, not {bins!r}.")
    confidences, right = np.asarray(items, dtype=np.float64).T
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise MetricError("ece needs confidences between 0 and 1.")
    columns = np.searchsorted(np.arange(1, bins) / bins, confidences, side="left")
    terms = np.zeros((len(items), bins + 1))
    terms[np.arange(len(items)), columns] = right - confidences
    terms[:, -1] = 1.0
    return terms


def _of_sums(sums: Floats) -> Floats:
    errors: Floats = np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1]
    return errors
