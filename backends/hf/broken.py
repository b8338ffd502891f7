"""What is wrong with a model whose log-probabilities are no numbers."""

from typing import Any

import torch


def why_broken(name: str, model: Any) -> str:
    """A line that names the model and, where they can be found, the weights that are to blame."""
    said = f"{name}: the model's log-probabilities are not numbers (NaN or infinite)"
    weights = [key for key, value in model.named_parameters() if not bool(torch.isfinite(value).all())]
    if weights:
        return (
            f"{said}: {len(weights)} of its weights hold NaN or infinity, {weights[0]} among them; "
            "the files are damaged, or training diverged"
        )
    dtype = str(model.dtype).removeprefix("torch.")
    way_out = "give dtype=float32" if dtype != "float32" else "training may have diverged"
    return f"{said}, though its weights are: its arithmetic overflows in {dtype}; {way_out}"
