"""How far a model's table of positions reaches, where it has one: beyond it there is nothing to look up."""

from typing import Any

# Of parts that read no text.
_OTHER_PARTS = ("vision", "visual", "image", "audio", "speech")
# Rows that a table may have beyond those of its positions.
_MOST_SPARE = 8


def table_limit(model: Any, declared: int) -> int | None:
    """How many tokens the model has positions for; None where they are computed for any number (RoPE, ALiBi).

    model: without weights will do. declared: what its configuration says, near which tables are looked for.
    """
    modules = [module for name, module in model.named_modules() if _is_of_positions(name)]
    buffers = [buffer for name, buffer in model.named_buffers() if _is_of_positions(name)]
    found = [*map(_rows_of, modules), *(len(buffer) for buffer in buffers if buffer.dim() == 2)]
    near = [rows for rows in found if declared - _MOST_SPARE <= rows <= declared + _MOST_SPARE]
    return min(near, default=None)


def _rows_of(module: Any) -> int:
    """Positions of an embedding; those before the first that a token has are none (OPT, RoBERTa)."""
    rows = getattr(module, "num_embeddings", 0)
    padding = getattr(module, "padding_idx", None)
    spare = getattr(module, "offset", 0) or (0 if padding is None else padding + 1)
    return int(rows - spare)


def _is_of_positions(name: str) -> bool:
    leaf = name.rpartition(".")[2]
    return ("pos" in leaf or leaf == "wpe") and not any(part in name for part in _OTHER_PARTS)
