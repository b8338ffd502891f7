"""Batches that fit: by padded size, and smaller ones when memory runs out."""

import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from backends.errors import BackendError

Item = TypeVar("Item")
Answers = TypeVar("Answers")


# Padded tokens in a batch on the CPU, measured to be fast.
CPU_TOKENS = 1024
# On a GPU: more only adds waiting for a batch; and the part of the free memory that may be used.
GPU_TOKENS = 1 << 17
GPU_SHARE = 0.4


def auto_tokens(model: Any, *, cached: bool) -> int:
    """Padded tokens in a batch that are fast and fit: on a GPU by its free memory.

    cached: whether keys and values of every layer are kept, as a generation does.
    """
    import torch

    if model.device.type != "cuda":
        return CPU_TOKENS
    config = model.config.get_text_config(decoder=True)
    item = model.dtype.itemsize
    # Hidden states with an MLP's and the mask's share, logits in their dtype and in float32; keys and values.
    per_token = 48 * config.hidden_size * item + config.vocab_size * (item + 4)
    per_token += 2 * config.num_hidden_layers * config.hidden_size * item if cached else 0
    free, _ = torch.cuda.mem_get_info(model.device)
    return int(min(GPU_TOKENS, max(CPU_TOKENS, GPU_SHARE * free / per_token)))


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch failed for want of memory: CUDA has a class for it, other devices a message."""
    message = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or any(
        sign in message for sign in ("out of memory", "can't allocate memory", "not enough memory")
    )


class Batches(Generic[Item]):
    """Items in batches, sized beforehand by `fits` and, when memory runs out, by what did fit.

    fits: whether these items may be one batch; a single item always is.
    """

    def __init__(self, fits: Callable[[Sequence[Item]], bool]) -> None:
        self.fits = fits
        self.most: int | None = None  # items in a batch, once one was too large

    def answers(self, items: Sequence[Item], ask: Callable[[Sequence[Item]], Answers]) -> Iterator[Answers]:
        """What `ask` returns for each batch, in the order of the items.

        A batch that runs out of memory is halved, and so are those after it. BackendError when a single item
        does not fit.
        """
        start = 0
        while start < len(items):
            batch = self._next(items, start)
            answers = self._attempt(batch, ask)
            if answers is not None:
                yield answers[0]
                start += len(batch)
            elif len(batch) == 1:
                raise BackendError(
                    "memory ran out on a single request; use a shorter max_length, a smaller dtype "
                    "or another device"
                )
            else:
                self.most = len(batch) // 2
                _free_memory()

    def _next(self, items: Sequence[Item], start: int) -> Sequence[Item]:
        most = len(items) - start if self.most is None else min(self.most, len(items) - start)
        size = 1
        while size < most and self.fits(items[start : start + size + 1]):
            size += 1
        return items[start : start + size]

    @staticmethod
    def _attempt(batch: Sequence[Item], ask: Callable[[Sequence[Item]], Answers]) -> tuple[Answers] | None:
        """What was answered, or None for want of memory. Returning lets go of what a failed one held."""
        try:
            return (ask(batch),)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
