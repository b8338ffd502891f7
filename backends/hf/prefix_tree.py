"""What queries have in common: continuations of one context become branches of one row.

A row is a context followed by a tree of tokens. Its continuations are paths of the tree, so the context and
whatever continuations begin alike with is read once, in one forward pass, where a token sees the context and
its own path only (the idea of SpecInfer's token tree, arXiv:2305.09781).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from backends.model_files.tokenization import Query, Tokens

# A row's branches may hold this many times the tokens of its context: attention between branches is wasted.
BRANCHES_PER_CONTEXT = 4


@dataclass(slots=True)
class Row:
    """A context and the tree of its continuations, without each one's last token, which is only predicted.

    tokens, parents, depths: the tree's nodes in order, numbered from 1; node 0 is the context's last token.
        A parent comes before its children; a depth is the number of nodes from the context.
    asked: for each query by its number, the nodes that predict its continuation's tokens, and these tokens.
    """

    context: Tokens
    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    asked: list[tuple[int, list[int], Tokens]] = field(default_factory=list)
    _children: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, number: int, continuation: Tokens) -> None:
        """Grow the tree by a continuation, where it does not have it already."""
        path = [0]
        for depth, token in enumerate(continuation[:-1], start=1):
            edge = (path[-1], token)
            if edge not in self._children:
                self.tokens.append(token)
                self.parents.append(path[-1])
                self.depths.append(depth)
                self._children[edge] = len(self.tokens)
            path.append(self._children[edge])
        self.asked.append((number, path, continuation))

    @property
    def width(self) -> int:
        return len(self.context) + len(self.tokens)

    @property
    def branches(self) -> bool:
        """Whether it holds more than one path, so that order in the row is not order in the text."""
        return self.parents != list(range(len(self.parents)))

    def has_room_for(self, continuation: Tokens) -> bool:
        size = len(self.tokens) + len(continuation) - 1
        return size <= BRANCHES_PER_CONTEXT * len(self.context) or not self.asked

    def ancestors(self) -> npt.NDArray[np.bool_]:
        """Whether node i (from 1) sees node j: itself and those on its path. Shape (nodes, nodes)."""
        sees = np.zeros((len(self.tokens), len(self.tokens)), dtype=np.bool_)
        for node, parent in enumerate(self.parents):
            if parent:
                sees[node] = sees[parent - 1]
            sees[node, node] = True
        return sees


def rows_of(queries: Iterable[tuple[int, Query]], *, share: bool) -> list[Row]:
    """Rows that ask all the numbered queries, longest first.

    share: whether continuations of one context may branch; without it only queries that read the same tokens
        have a row together.
    """
    rows: list[Row] = []
    open_rows: dict[tuple[Tokens, Tokens], Row] = {}
    for number, query in queries:
        key = (query.context, () if share else query.continuation[:-1])
        row = open_rows.get(key)
        if row is None or not row.has_room_for(query.continuation):
            row = open_rows[key] = Row(query.context)
            rows.append(row)
        row.add(number, query.continuation)
    return sorted(rows, key=lambda row: row.width, reverse=True)


def common_prefix(texts: Sequence[Tokens]) -> Tokens:
    """The tokens that all texts begin with."""
    first, last = min(texts), max(texts)
    length = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:length]
