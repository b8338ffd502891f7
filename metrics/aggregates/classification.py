"""F1, Matthews correlation and the Brier score over a corpus of (gold, prediction) pairs.

F1 and the correlation have the definitions, and to the last digit the values, of scikit-learn's `f1_score`
(binary, positive label 1, 0.0 where it is undefined) and `matthews_corrcoef`. Both depend on the documents
only through counts, which is what makes their bootstrap cheap.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.bootstrap import Floats, Resampled, of_sums
from metrics.errors import MetricError

Array = npt.NDArray[Any]
Pairs = Sequence[tuple[Any, Any]]


def f1(items: Pairs) -> float:
    """Binary F1 of label 1: 2 TP / (gold positives + predicted positives)."""
    return float(_f1_of_sums(_f1_terms(items).sum(axis=0, keepdims=True))[0])


def resampled_f1(items: Pairs) -> Resampled:
    return of_sums(_f1_terms(items), _f1_of_sums)


def mcc(items: Pairs) -> float:
    """The Matthews correlation coefficient, for any number of labels.

    Source: Gorodkin (2004), "Comparing two K-category assignments by a K-category correlation coefficient".
    """
    terms, labels = _mcc_terms(items)
    return float(_mcc_of_sums(terms.sum(axis=0, keepdims=True), labels)[0])


def resampled_mcc(items: Pairs) -> Resampled:
    terms, labels = _mcc_terms(items)
    return of_sums(terms, lambda sums: _mcc_of_sums(sums, labels))


def brier_score(items: Pairs) -> float:
    """The mean over documents of the Brier score (`brier_terms`)."""
    return float(np.mean(brier_terms(items)))


def brier_terms(items: Pairs) -> list[float]:
    """Each document's squared distance of its probabilities from 1 for the right choice and 0 for the others.

    Source: Brier (1950), "Verification of forecasts expressed in terms of probability".
    """
    return [
        _brier_term(gold, probabilities, document) for document, (gold, probabilities) in enumerate(items)
    ]


def _brier_term(gold: Any, probabilities: Sequence[float], document: int) -> float:
    errors = np.array(probabilities, dtype=np.float64)
    try:
        errors[gold] -= 1.0
    except IndexError:
        raise MetricError(
            f"brier_score: document {document} has {len(errors)} choices, but its right choice is {gold!r}."
        ) from None
    return float(np.sum(errors**2))


def _f1_terms(items: Pairs) -> Floats:
    """Per document: is gold 1, is the prediction 1, are both."""
    golds, predictions = _columns("f1", items)
    labels = set(golds.tolist()) | set(predictions.tolist())
    if len(labels) > 2 or (len(labels) == 2 and 1 not in labels):
        raise MetricError(
            f"f1 is binary and needs the labels 1 and another one, not {sorted(labels, key=str)}; "
            "aggregate with another metric, such as mcc."
        )
    gold, predicted = golds == 1, predictions == 1
    return np.column_stack([gold, predicted, gold & predicted]).astype(np.float64)


def _f1_of_sums(sums: Floats) -> Floats:
    gold, predicted, both = sums.T
    positives = gold + predicted
    scores: Floats = np.divide(2 * both, positives, out=np.zeros_like(positives), where=positives > 0)
    return scores


def _mcc_terms(items: Pairs) -> tuple[Floats, int]:
    """Per document: a column per gold label, a column per predicted label, "equal", and how many labels."""
    golds, predictions = _columns("mcc", items)
    labels, codes = np.unique(np.concatenate([golds, predictions]), return_inverse=True)
    one_hot = np.eye(len(labels))[codes]
    equal = (codes[: len(golds)] == codes[len(golds) :]).astype(np.float64)
    return np.column_stack([one_hot[: len(golds)], one_hot[len(golds) :], equal]), len(labels)


def _mcc_of_sums(sums: Floats, labels: int) -> Floats:
    gold, predicted, equal = sums[:, :labels], sums[:, labels:-1], sums[:, -1]
    documents = gold.sum(axis=1)
    covariance = equal * documents - (gold * predicted).sum(axis=1)
    spread = (documents**2 - (predicted**2).sum(axis=1)) * (documents**2 - (gold**2).sum(axis=1))
    scores: Floats = np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance), where=spread > 0)
    return scores


def _columns(name: str, items: Pairs) -> tuple[Array, Array]:
    try:
        golds, predictions = (np.asarray(column) for column in zip(*items, strict=True))
    except (TypeError, ValueError) as error:
        raise MetricError(f"{name} needs one (gold, prediction) pair per document: {error}.") from error
    if (
        golds.ndim != 1
        or predictions.ndim != 1
        or (golds.dtype.kind == "U") != (predictions.dtype.kind == "U")
    ):
        raise MetricError(f"{name} needs one label per document, and golds and predictions of the same type.")
    return golds, predictions
