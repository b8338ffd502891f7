"""How a run asks and scores, whatever the task."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backends.errors import BackendError
from backends.text.generation_settings import is_drawn
from backends.text.thinking import PARAMETER
from tasks_lib.doc import Doc
from tasks_lib.errors import TaskError


@dataclass(frozen=True, slots=True)
class AskOptions:
    """How a run asks and scores, whatever the task.

    num_fewshot: examples before each document; None for the task's own number. A task that says 0 keeps 0.
    limit: the first so many documents, or, below 1, that fraction of them (rounded up); None for all.
    samples: by task, the positions in its split of the documents that are asked, whatever the limit.
    seed: of the few-shot draws.
    system_instruction: put before the task's description.
    generation: replaces generation parameters of `generate_until` tasks, key by key.
    repeats: how often `generate_until` tasks ask each request; None for the task's own number. Asked again, a
        log-likelihood is what it was.
    end_of_thinking: the mark that ends the thinking part of a generated text, if models are to think.
    compat: follow lm-eval also where it is wrong (docs/lm-eval.md lists where).
    cluster: the field (or template) whose value documents of one source share, for standard errors; replaces
        the task's own.
    """

    num_fewshot: int | None = None
    limit: float | None = None
    samples: Mapping[str, Sequence[int]] = field(default_factory=dict)
    seed: int = 1234
    system_instruction: str | None = None
    generation: Mapping[str, Any] = field(default_factory=dict)
    repeats: int | None = None
    end_of_thinking: str | None = None
    compat: bool = False
    cluster: str | None = None

    def selected(self, task: str, docs: Sequence[Doc]) -> dict[int, Doc]:
        """Those of a task's documents that are asked, by their position, in order. Raises TaskError."""
        wanted: Iterable[int] | None = self.samples.get(task)
        if wanted is None:
            share = self.limit is not None and self.limit < 1
            limit = len(docs) if self.limit is None else len(docs) * self.limit if share else self.limit
            wanted = range(min(len(docs), math.ceil(limit) if share else int(limit)))
        elif not wanted:
            raise TaskError("names no document; leave the task out")
        elif beyond := [doc_id for doc_id in wanted if not 0 <= doc_id < len(docs)]:
            raise TaskError(f"there is no document {beyond[0]}, only {len(docs)}")
        return {doc_id: docs[doc_id] for doc_id in sorted(wanted)}

    def drawing_examples(self, selected: Mapping[int, Doc], docs: Sequence[Doc]) -> Iterable[tuple[int, Doc]]:
        """The documents that draw examples: all up to the last that is asked, so that no document's examples
        depend on which others are asked. In lm-eval they do."""
        return selected.items() if self.compat else enumerate(docs[: max(selected, default=-1) + 1])

    def fewshot(self, own: int | None) -> int:
        """The number of examples for a task whose own number is `own`."""
        if own == 0 or self.num_fewshot is None:
            return own or 0
        return self.num_fewshot

    def asked_times(self, own: int, output_type: str) -> int:
        """How often a task of this type, whose own number is `own`, asks each request."""
        return own if self.repeats is None or output_type != "generate_until" else self.repeats

    def generation_of(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """A task's generation parameters with the run's in their place, and the seed where they use it.

        Where the temperature is 0 nothing is drawn, and they say so. Raises TaskError.
        """
        merged = {**own, **self.generation}
        if self.end_of_thinking is not None:
            merged[PARAMETER] = self.end_of_thinking
        try:
            draws = is_drawn(merged)
        except BackendError as error:
            raise TaskError(str(error)) from error
        if draws:
            return {"seed": self.seed, **merged}
        return {**merged, "do_sample": False} if merged.get("do_sample") is True else merged
