"""Log-probabilities of continuations, with what queries share read once."""

import inspect
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from backends.hf.batching import Batches, auto_tokens
from backends.hf.prefix_tree import Row, common_prefix, rows_of
from backends.model_files.tokenization import Query, Tokens

Array = npt.NDArray[Any]

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
    """Scores queries with a model of transformers.

    model: a causal language model in evaluation mode.
    batch_size: rows (distinct contexts) in a batch; `auto` goes by padded tokens and the device's memory.
    """

    def __init__(self, model: Any, batch_size: int | Literal["auto"]) -> None:
        self.model = model
        self.batch_size = batch_size
        self.window = sharing_window(model)
        self._header = Header((), [])
        self._long = Batches[Row](lambda rows: self._fits(rows, shared=0))
        self._short = Batches[Row](lambda rows: self._fits(rows, shared=_shared_by_ends(rows)))

    def scores(self, queries: Sequence[Query]) -> Iterator[list[Score]]:
        """A score for each query by its position, in batches, longest first."""
        numbered = list(enumerate(queries))
        long = [pair for pair in numbered if pair[1].length > self.window]
        short = [pair for pair in numbered if pair[1].length <= self.window]
        yield from self._long.answers(rows_of(long, share=False), self._plain)
        yield from self._short.answers(rows_of(short, share=True), self._shared)

    def _plain(self, rows: Sequence[Row]) -> list[Score]:
        return self._ask(rows, Header((), []), branching=False)

    def _shared(self, rows: Sequence[Row]) -> list[Score]:
        header = self._header_of(rows)
        return self._ask(rows, header, branching=bool(header.tokens) or any(row.branches for row in rows))

    @torch.inference_mode()
    def _ask(self, rows: Sequence[Row], header: Header, *, branching: bool) -> list[Score]:
        """One forward pass over the rows, right-padded, each after the header."""
        began = time.perf_counter()
        skipped = len(header.tokens)
        batch = PaddedBatch(rows, skipped)
        inputs: dict[str, Any] = {"input_ids": self._tensor(batch.tokens), "use_cache": skipped > 0}
        if branching:
            inputs["position_ids"] = self._tensor(batch.positions)
            inputs["attention_mask"] = self._mask(batch)
        if skipped:
            inputs["past_key_values"] = header.cache(len(rows))
        logits = self._logits(inputs, batch)
        logprobs, greedy = self._score(logits, batch)
        seconds = time.perf_counter() - began
        scores, start = [], 0
        for number, path, _ in (asked for row in rows for asked in row.asked):
            part = slice(start, start + len(path))
            scores.append(Score(number, float(logprobs[part].sum()), bool(greedy[part].all()), seconds))
            start += len(path)
        return scores

    def _logits(self, inputs: dict[str, Any], batch: "PaddedBatch") -> torch.Tensor:
        """Logits at the scored positions, row after row. Shape (positions, vocabulary)."""
        scored = self._tensor(batch.scored)
        match self._slicing:
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
    def _slicing(self) -> Literal["each", "columns", "none"]:
        """How the model's forward can leave out logits: by a mask of positions, by columns, or not at all."""
        if "logits_to_keep" not in inspect.signature(self.model.forward).parameters:
            return "none"
        return (
            "each" if hasattr(sys.modules[type(self.model).__module__], "slice_logits_to_keep") else "columns"
        )

    def _score(self, logits: torch.Tensor, batch: "PaddedBatch") -> tuple[Array, Array]:
        """Log-probability (float64) of each asked token, and whether it is the most probable one."""
        sums, best = [], []
        for part in torch.split(logits, max(1, LOGITS_AT_ONCE // logits.shape[-1])):
            sums.append(part.float().logsumexp(dim=-1))
            best.append(part.argmax(dim=-1))
        asked, targets = self._tensor(batch.asked), self._tensor(batch.targets)
        logprobs = logits[asked, targets].double() - torch.cat(sums)[asked].double()
        return logprobs.cpu().numpy(), (torch.cat(best)[asked] == targets).cpu().numpy()

    def _mask(self, batch: "PaddedBatch") -> torch.Tensor:
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
            cache = DynamicCache()
            tokens = self._tensor(np.array([common]))
            keep = {} if self._slicing == "none" else {"logits_to_keep": 1}
            self.model(input_ids=tokens, past_key_values=cache, use_cache=True, **keep)
            self._header = Header(common, [(layer[0], layer[1]) for layer in cache])
            return self._header
        return self._header.cut(len(known))

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
