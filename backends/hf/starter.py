"""`starter:smollm2-135m-instruct`: a small real model from a wheel, with no model hub."""

from pathlib import Path
from typing import Literal

from backends.hf.backend import HFBackend
from backends.hf.smollm2_files import NAME, write_once


def open_starter(
    *,
    home: Path,
    batch_size: int | Literal["auto"] = "auto",
    dtype: str = "auto",
    device: str | None = None,
    max_length: int | None = None,
) -> HFBackend:
    """SmolLM2-135M-Instruct as a transformers model in `home`/models, which the first opening writes.

    Raises BackendError where the package with the weights is missing.
    """
    folder = write_once(home / "models" / NAME)
    return HFBackend(
        str(folder),
        home=home,
        batch_size=batch_size,
        dtype=dtype,
        device=device,
        max_length=max_length,
    )
