"""Rows as arrays, as a model is given them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backends.hf.prefix_tree import Row

Array = npt.NDArray[Any]


class PaddedBatch:
    """Rows as arrays: each right-padded after a header of `skipped` tokens that all contexts begin with.

    tokens, positions: shape (rows, width); positions count from the start of the text.
    scored: which tokens predict something asked. Shape (rows, width).
    asked, targets: for each asked token, which of the scored ones (in order) predicts it, and the token.
    """

    def __init__(self, rows: Sequence[Row], skipped: int) -> None:
        self.rows = rows
        self.skipped = skipped
        shape = (len(rows), max(row.width for row in rows) - skipped)
        self.tokens = np.zeros(shape, dtype=np.int64)
        self.positions = np.zeros(shape, dtype=np.int64)
        self.scored = np.zeros(shape, dtype=np.bool_)
        asked: list[int] = []
        targets: list[int] = []
        before = 0
        for i, row in enumerate(rows):
            end, stop = len(row.context) - skipped, row.width - skipped
            self.tokens[i, :stop] = [*row.context[skipped:], *row.tokens]
            self.positions[i, :end] = np.arange(skipped, len(row.context))
            self.positions[i, end:stop] = np.array(row.depths, dtype=np.int64) + len(row.context) - 1
            self.scored[i, end - 1 : stop] = True
            for _, path, continuation in row.asked:
                asked += [before + node for node in path]
                targets += continuation
            before += len(row.tokens) + 1
        self.asked = np.array(asked, dtype=np.int64)
        self.targets = np.array(targets, dtype=np.int64)

    def sees(self) -> Array:
        """Which token sees which: the header, what comes before, of the tree its own path only.

        Shape (rows, width, skipped + width).
        """
        count, width = self.tokens.shape
        sees = np.ones((count, width, self.skipped + width), dtype=np.bool_)
        sees[:, :, self.skipped :] = np.tri(width, dtype=np.bool_)
        for i, row in enumerate(self.rows):
            tree = slice(len(row.context) - self.skipped, row.width - self.skipped)
            columns = slice(len(row.context), row.width)
            sees[i, tree, columns] = row.ancestors()
        return sees
