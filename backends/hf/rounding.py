"""How far apart log-probabilities may be that differ in the order of additions only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Values = npt.NDArray[np.float64]

# A forward pass rounds some thousand times where a jolt rounds once; of random signs, their square root.
_JOLTS = 64
_SEEDS = (1, 2)


def beyond_rounding(model: Any, got: Values, truth: Values, again: Callable[[], Values]) -> float | None:
    """The largest difference between log-probabilities of the same tokens that rounding does not explain;
    None where it explains all. What is no number in both is the same.

    again: the truth once more, by the model as it is then: how much a rounding at the model's input changes
    it says how much its own roundings may. Asked only where there is more than the last digit to explain.
    """
    difference = np.abs(got - truth)
    difference[~np.isfinite(got) & ~np.isfinite(truth)] = 0.0
    difference[np.isnan(difference)] = np.inf
    unit = float(torch.finfo(model.dtype).eps)
    size = np.where(np.isfinite(truth), np.abs(truth), 0.0)
    unexplained = difference > 2 * unit * (1 + size)
    if not unexplained.any():
        return None
    largest = float(difference.max())
    return None if largest <= _JOLTS * _noise(model, truth, again) else largest


def _noise(model: Any, truth: Values, again: Callable[[], Values]) -> float:
    """The most that a last digit of the embeddings changes."""
    changes = []
    for seed in _SEEDS:
        with _jolted(model, seed):
            changes.append(np.abs(again() - truth))
    finite = np.concatenate(changes)
    finite = finite[np.isfinite(finite)]
    return float(finite.max(initial=0.0))


@contextmanager
def _jolted(model: Any, seed: int) -> Iterator[None]:
    """The model with the last digit of its embeddings changed, up or down by chance."""

    def jolt(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        chance = torch.Generator().manual_seed(seed)
        signs = torch.randint(0, 2, output.shape, generator=chance).to(output.device, output.dtype) * 2 - 1
        return output * (1 + signs * torch.finfo(output.dtype).eps)

    handle = model.get_input_embeddings().register_forward_hook(jolt)
    try:
        yield
    finally:
        handle.remove()
