"""How far apart log-probabilities may be that differ in the order of additions only."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Values = npt.NDArray[np.float64]

# A forward pass rounds some thousand times where a jolt rounds once; of random signs, their square root.
_JOLTS = 64
_SEED = 1


def beyond_rounding(
    model: Any, got: Sequence[Values], truth: Sequence[Values], again: Callable[[int], Values]
) -> float | None:
    """The largest difference between log-probabilities of the same tokens, text by text, that rounding does
    not explain; None where it explains all. What is no number in both is the same.

    again: the truth of a text once more, by the model as it is then: how much a rounding at the model's input
    changes it says how much its own roundings may. Asked for one text, and only where there is more than the
    last digit to explain.
    """
    differences = [_difference(*pair) for pair in zip(got, truth, strict=True)]
    unit = float(torch.finfo(model.dtype).eps)
    unexplained = {
        text: float(difference.max())
        for text, (difference, true) in enumerate(zip(differences, truth, strict=True))
        if (difference > 2 * unit * (1 + np.where(np.isfinite(true), np.abs(true), 0.0))).any()
    }
    if not unexplained:
        return None
    worst = max(unexplained, key=lambda text: unexplained[text])
    largest = unexplained[worst]
    if not np.isfinite(largest):
        return largest
    with _jolted(model):
        noise = float(_difference(again(worst), truth[worst]).max())
    return None if largest <= _JOLTS * noise else largest


def _difference(got: Values, truth: Values) -> Values:
    difference = np.abs(got - truth)
    difference[~np.isfinite(got) & ~np.isfinite(truth)] = 0.0
    difference[np.isnan(difference)] = np.inf
    return difference


@contextmanager
def _jolted(model: Any) -> Iterator[None]:
    """The model with the last digit of its embeddings changed, up or down by chance."""

    def jolt(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        chance = torch.Generator().manual_seed(_SEED)
        signs = torch.randint(0, 2, output.shape, generator=chance).to(output.device, output.dtype) * 2 - 1
        return output * (1 + signs * torch.finfo(output.dtype).eps)

    handle = model.get_input_embeddings().register_forward_hook(jolt)
    try:
        yield
    finally:
        handle.remove()
