"""`ContextSampler`: the base of classes that choose few-shot examples."""

from collections.abc import Sequence
from random import Random
from typing import Any

Docs = Sequence[Any]


class ContextSampler:
    """Draws from the documents `df`; `set_rnd` seeds the draws."""

    def __init__(
        self,
        df: Docs | None = None,
        *,
        rnd: int | None = None,
        fewshot_indices: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        self.df: Docs = df or []
        self.rnd = Random(rnd)
        self.fewshot_indices = fewshot_indices

    def set_rnd(self, rnd: int | None) -> "ContextSampler":
        self.rnd = Random(rnd)
        return self

    def replace_df(self, df: Docs) -> "ContextSampler":
        self.df = df
        return self

    def fewshot_docs(self) -> list[Any]:
        """The documents to draw from: those of `fewshot_indices`, else all."""
        return list(self.df) if not self.fewshot_indices else [self.df[i] for i in self.fewshot_indices]

    def sample(self, n: int, eval_doc: Any = None, df: Docs | None = None, **options: Any) -> Docs:
        """`n` of the documents, none of them equal to `eval_doc`."""
        if n == 0:
            return []
        self.df = df or self.df
        if not eval_doc:
            return self.rnd.sample(self.fewshot_docs(), n)
        drawn = self.rm_eval_doc(eval_doc, self.rnd.sample(self.fewshot_docs(), n + 1), n)
        if len(drawn) == n:
            return drawn
        return self.rnd.sample(self.rm_eval_doc(eval_doc, self.fewshot_docs()), n)

    @staticmethod
    def rm_eval_doc(doc: Any, _iter: Docs, n: int | None = None) -> list[Any]:
        """The first `n`, or all, of the documents that differ from `doc`."""
        return [other for other in _iter if other != doc][:n]


class FirstNSampler(ContextSampler):
    """The first documents, in their order."""

    def sample(self, n: int, eval_doc: Any = None, df: Docs | None = None, **options: Any) -> Docs:
        pool = self.df if eval_doc is None else self.rm_eval_doc(eval_doc, self.df)
        if n > len(pool):
            raise ValueError(f"{n} examples are wanted, there are {len(pool)}")
        return pool[:n]
