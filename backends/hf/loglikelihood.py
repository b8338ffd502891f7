"""Log-probabilities of continuations, with what queries share read once."""

import inspect
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from backends.errors import BackendError
from backends.hf.batching import Batches, auto_tokens, is_out_of_memory
from backends.hf.broken import why_broken
from backends.hf.padded_batch import Array, PaddedBatch
from backends.hf.prefix_tree import Row, common_prefix, rows_of
from backends.hf.proofs import CODE_ERRORS, ProofMemory, Prover, Way
from backends.hf.rounding import beyond_rounding
from backends.hf.trial import TrialTexts
from backends.model_files.tokenization import Query, Tokens

Slicing = Literal["each", "columns", "none"]

# A batch of answers is what a killed process loses: this many queries at most.
QUERIES_PER_BATCH = 64
# Reading a header once is a forward pass more: it pays from this many tokens saved.
TOKENS_WORTH_SHARING = 128
# A cached header this much shorter than the batch's own is as good as that.
HEADER_SLACK = 16
# Logits turned to float32 at once.
LOGITS_AT_ONCE = 1 << 25


@dataclass(frozen=True, slots=True)
class Score:
    """A query's summed natural log-probability, whether it is the greedy text, and its batch's seconds."""

    number: int
    logprob: float
    is_greedy: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class TokenScores:
    """The same token by token."""

    number: int
    logprobs: Array
    greedy: Array


@dataclass(frozen=True, slots=True)
class Header:
    """Tokens that contexts begin with, and each layer's keys and values for them, of batch size 1."""

    tokens: Tokens
    layers: list[tuple[torch.Tensor | None, torch.Tensor | None]]

    def cut(self, length: int) -> "Header":
        return Header(
            self.tokens[:length],
            [
                (k if k is None else k[:, :, :length], v if v is None else v[:, :, :length])
                for k, v in self.layers
            ],
        )

    def cache(self, batch: int) -> DynamicCache:
        """A cache that has read the header in each of `batch` rows."""
        return DynamicCache(
            [
                (
                    k if k is None else k.expand(batch, -1, -1, -1),
                    v if v is None else v.expand(batch, -1, -1, -1),
                )
                for k, v in self.layers
            ]
        )


class LogLikelihoods:
    """Scores queries with a model of transformers, in the fastest way that is right for it.

    name: the model's. model: a causal language model in evaluation mode.
    batch_size: rows (distinct contexts) in a batch; `auto` goes by padded tokens and the device's memory.
    texts, memory: on what it is tried which way is right, and where that is remembered.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        batch_size: int | Literal["auto"],
        texts: TrialTexts,
        memory: ProofMemory,
    ) -> None:
        self.name = name
        self.model = model
        self.batch_size = batch_size
        self.window = sharing_window(model)
        self._header = Header((), [])
        self._texts = texts
        ways: list[Way] = ["shared", "padded", "alone"]
        self.prover = Prover(name, "scoring", memory, ways if self.window else ways[1:], self._difference)
        self._by_itself = Batches[Row](lambda rows: False)
        self._long = Batches[Row](lambda rows: self._fits(rows, shared=0))
        self._short = Batches[Row](lambda rows: self._fits(rows, shared=_shared_by_ends(rows)))

    def scores(self, queries: Sequence[Query]) -> Iterator[list[Score]]:
        """A score for each query by its position, in batches, longest first."""
        numbered = list(enumerate(queries))
        if not numbered:
            return
        whole, shared = self._rows("shared", numbered)
        way = self.way_for(max(row.width for row in (*whole, *shared)))
        whole, shared = (whole, shared) if way == "shared" else self._rows(way, numbered)
        if way == "alone":
            yield from self._by_itself.answers(whole, self._alone)
            return
        yield from self._long.answers(whole, self._plain)
        yield from self._short.answers(shared, self._shared)

    def way_for(self, length: int) -> Way:
        """How texts, and rows of them, of up to so many tokens are asked."""
        return self.prover.way_for(self._texts.tried_length(length))

    def _rows(self, way: Way, numbered: Sequence[tuple[int, Query]]) -> tuple[list[Row], list[Row]]:
        """What is read whole, and what may share."""
        window = self.window if way == "shared" else 0
        long = [pair for pair in numbered if pair[1].length > window]
        short = [pair for pair in numbered if pair[1].length <= window]
        return rows_of(long, share=False), rows_of(short, share=True)

    def _alone(self, rows: Sequence[Row]) -> list[Score]:
        return self._timed(lambda: self._asked_alone(rows))

    def _plain(self, rows: Sequence[Row]) -> list[Score]:
        return self._timed(lambda: self._asked_whole(rows))

    def _shared(self, rows: Sequence[Row]) -> list[Score]:
        header = self._header_of(rows)
        branching = bool(header.tokens) or any(row.branches for row in rows)
        return self._timed(lambda: self._ask(rows, header, branching=branching))

    @staticmethod
    def _timed(ask: Callable[[], list[TokenScores]]) -> list[Score]:
        began = time.perf_counter()
        asked = ask()
        seconds = time.perf_counter() - began
        return [
            Score(one.number, float(one.logprobs.sum()), bool(one.greedy.all()), seconds) for one in asked
        ]

    def _asked_alone(self, rows: Sequence[Row]) -> list[TokenScores]:
        return self._ask(rows, Header((), []), branching=False, whole=True)

    def _asked_whole(self, rows: Sequence[Row]) -> list[TokenScores]:
        return self._ask(rows, Header((), []), branching=False)

    @torch.inference_mode()
    def _ask(
        self, rows: Sequence[Row], header: Header, *, branching: bool, whole: bool = False
    ) -> list[TokenScores]:
        """One forward pass over the rows, right-padded, each after the header.

        whole: with logits of all tokens, as the model gives them by itself.
        """
        skipped = len(header.tokens)
        batch = PaddedBatch(rows, skipped)
        inputs: dict[str, Any] = {"input_ids": self._tensor(batch.tokens), "use_cache": skipped > 0}
        if branching:
            inputs["position_ids"] = self._tensor(batch.positions)
            inputs["attention_mask"] = self._mask(batch)
        if skipped:
            inputs["past_key_values"] = header.cache(len(rows))
        logits = self._logits(inputs, batch, "none" if whole else self._slicing)
        logprobs, greedy = self._score(logits, batch)
        scores, start = [], 0
        for number, path, _ in (asked for row in rows for asked in row.asked):
            part = slice(start, start + len(path))
            scores.append(TokenScores(number, logprobs[part], greedy[part]))
            start += len(path)
        return scores

    def _logits(self, inputs: dict[str, Any], batch: PaddedBatch, slicing: Slicing) -> torch.Tensor:
        """Logits at the scored positions, row after row. Shape (positions, vocabulary)."""
        scored = self._tensor(batch.scored)
        match slicing:
            case "each":
                logits: torch.Tensor = self.model(**inputs, logits_to_keep=scored).logits
                return logits.reshape(-1, logits.shape[-1])
            case "columns":
                columns = scored.any(dim=0)
                kept = columns.nonzero().squeeze(-1)
                logits = self.model(**inputs, logits_to_keep=kept).logits
                return logits[scored[:, columns]]
            case "none":
                logits = self.model(**inputs).logits
                return logits[scored]

    @cached_property
    def _slicing(self) -> Slicing:
        """How the model's forward can leave out logits: by a mask of positions, by columns, or not at all."""
        if "logits_to_keep" not in inspect.signature(self.model.forward).parameters:
            return "none"
        return (
            "each" if hasattr(sys.modules[type(self.model).__module__], "slice_logits_to_keep") else "columns"
        )

    def _score(self, logits: torch.Tensor, batch: PaddedBatch) -> tuple[Array, Array]:
        """Log-probability (float64) of each asked token, and whether it is the most probable one."""
        sums, best = [], []
        for part in torch.split(logits, max(1, LOGITS_AT_ONCE // logits.shape[-1])):
            sums.append(part.float().logsumexp(dim=-1))
            best.append(part.argmax(dim=-1))
        asked, targets = self._tensor(batch.asked), self._tensor(batch.targets)
        logprobs = logits[asked, targets].double() - torch.cat(sums)[asked].double()
        return logprobs.cpu().numpy(), (torch.cat(best)[asked] == targets).cpu().numpy()

    def _mask(self, batch: PaddedBatch) -> torch.Tensor:
        """What is added to attention scores: 0 where a token sees another, else the least number."""
        seen = self._tensor(batch.sees())[:, None]
        mask = torch.zeros(seen.shape, dtype=self.model.dtype, device=seen.device)
        return mask.masked_fill_(~seen, torch.finfo(mask.dtype).min)

    @torch.inference_mode()
    def _header_of(self, rows: Sequence[Row]) -> Header:
        """What the rows' contexts begin with, read before; empty where that would not pay."""
        contexts = [row.context for row in rows]
        common = common_prefix(contexts)[: min(map(len, contexts)) - 1]
        known = common_prefix([common, self._header.tokens])
        if (
            len(known) * len(rows) < TOKENS_WORTH_SHARING
            and len(common) * (len(rows) - 1) < TOKENS_WORTH_SHARING
        ):
            return Header((), [])
        if len(known) < len(common) - HEADER_SLACK:
            self._header = self._read(common)
            return self._header
        return self._header.cut(len(known))

    @torch.inference_mode()
    def _read(self, tokens: Tokens) -> Header:
        """What the model keeps of some tokens that texts begin with."""
        cache = DynamicCache()
        keep = {} if self._slicing == "none" else {"logits_to_keep": 1}
        self.model(input_ids=self._tensor(np.array([tokens])), past_key_values=cache, use_cache=True, **keep)
        return Header(tokens, [(layer[0], layer[1]) for layer in cache])

    def _difference(self, way: Way, length: int) -> float | None:
        """See `Prover`."""
        for size in self._texts.lengths(length):
            queries = self._texts.queries(size)
            truth = [self._truth(query) for query in queries]
            if not any(np.isfinite(values).any() for values in truth):
                raise BackendError(why_broken(self.name, self.model))
            got = self._by(way, queries)
            off = beyond_rounding(self.model, got, truth, partial(self._again, queries))
            if off is not None:
                return off
        return None

    def _again(self, queries: Sequence[Query], number: int) -> Array:
        return self._truth(queries[number])

    def _truth(self, query: Query) -> Array:
        """The log-probability of each token of a continuation by a forward pass over its text alone."""
        rows = rows_of([(0, query)], share=False)
        ((asked,),) = self._by_itself.answers(rows, self._asked_alone)
        return asked.logprobs

    def _by(self, way: Way, queries: Sequence[Query]) -> list[Array]:
        """The same by another way: as much in one batch as memory allows, whatever it costs."""
        whole, shared = self._rows(way, list(enumerate(queries)))
        most = len(queries) if self.batch_size == "auto" else self.batch_size
        together = Batches[Row](lambda rows: len(rows) <= most)
        found: dict[int, Array] = {}
        try:
            for batch in (
                *together.answers(whole, self._asked_whole),
                *together.answers(shared, self._ask_after_header),
            ):
                found |= {asked.number: asked.logprobs for asked in batch}
        except CODE_ERRORS as error:
            if is_out_of_memory(error):
                raise
            return [np.full(len(query.continuation), np.nan) for query in queries]
        return [found[number] for number in range(len(queries))]

    def _ask_after_header(self, rows: Sequence[Row]) -> list[TokenScores]:
        contexts = [row.context for row in rows]
        header = self._read(common_prefix(contexts)[: min(map(len, contexts)) - 1])
        return self._ask(rows, header, branching=True)

    def _fits(self, rows: Sequence[Row], shared: int) -> bool:
        """Whether the rows, without `shared` tokens of each that are read once, may be one batch."""
        if self.batch_size != "auto":
            return len(rows) <= self.batch_size
        widths = [row.width - shared for row in rows]
        padded = len(rows) * max(widths)
        return (
            sum(len(row.asked) for row in rows) <= self._most_queries
            and padded <= self._most_tokens
            and padded <= self._most_padding * sum(widths)
        )

    @cached_property
    def _most_padding(self) -> float:
        """Tokens of a batch with padding for each one without: on the CPU padding costs what text does."""
        return 1.15 if self.model.device.type == "cpu" else math.inf

    @cached_property
    def _most_queries(self) -> int:
        return QUERIES_PER_BATCH if self.model.device.type == "cpu" else 16 * QUERIES_PER_BATCH

    @cached_property
    def _most_tokens(self) -> int:
        return auto_tokens(self.model, cached=False)

    def _tensor(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(array).to(self.model.device)


def _shared_by_ends(rows: Sequence[Row]) -> int:
    """About how many tokens all contexts begin with: what the first and last do."""
    return len(common_prefix([rows[0].context, rows[-1].context])) if len(rows) > 1 else 0


def sharing_window(model: Any) -> int:
    """Up to how many tokens of text rows may branch and follow a header; 0 if the model cannot do that.

    It can if it says so: a model of transformers itself that builds its mask with `create_causal_mask`, which
    lets ours through, takes positions, keeps nothing but keys and values, and attends with a kernel that
    takes a mask. Where attention slides, our mask is right for texts that are within the window.
    """
    config = model.config.get_text_config(decoder=True)
    declared = (
        type(model).__module__.startswith("transformers.models.")
        and hasattr(sys.modules[type(model).__module__], "create_causal_mask")
        and "position_ids" in inspect.signature(model.forward).parameters
        and not model._is_stateful
        and not getattr(config, "alibi", False)
        and getattr(config, "attention_chunk_size", None) is None
        and config._attn_implementation in ("sdpa", "eager")
    )
    if not declared:
        return 0
    layers = DynamicCache(config=config).layers
    if any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers):
        return 0
    return min((layer.sliding_window for layer in layers if layer.is_sliding), default=sys.maxsize)
