"""Functions that task code calls."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["general_detokenize", "handle_non_serializable", "logging", "make_table", "weighted_f1_score"]

# What tokenised English has between tokens and running text has not; later replacements see earlier ones.
_DETOKENIZED = (
    (" n't", "n't"),
    (" )", ")"),
    ("( ", "("),
    ('" ', '"'),
    (' "', '"'),
    (" '", "'"),
    (" .", "."),
    (" ,", ","),
)


def general_detokenize(string: str) -> str:
    """Tokenised text as running text."""
    for tokenized, running in _DETOKENIZED:
        string = string.replace(tokenized, running)
    return string


def weighted_f1_score(items: Sequence[tuple[Any, Any]]) -> float:
    """F1 over (gold, predicted) pairs, averaged over the classes by their frequency."""
    from sklearn.metrics import f1_score

    golds, predictions = zip(*items, strict=True)
    return float(f1_score(golds, predictions, average="weighted"))


def handle_non_serializable(o: Any) -> Any:
    """`default` of `json.dumps`: numpy's scalars as Python's, sets as lists, all else as text."""
    if isinstance(o, np.generic):
        return o.item()
    return list(o) if isinstance(o, set) else str(o)


def make_table(*args: Any, **options: Any) -> str:
    """Cannot be called: raises RuntimeError."""
    raise RuntimeError("lm-eval's tables need lm-eval, which is not installed")
