"""Comparisons as a file for programs."""

import json
from collections.abc import Callable, Mapping, Sequence

from flows.comparing.comparison import Comparison
from flows.storage.files import Place, write_text


def write(place: Place, comparisons: Sequence[Comparison]) -> None:
    """Write JSON, all there is of each, or CSV, a row per number; by the file's name. Raises ResultError."""
    write_text(place, _FORMATS[place.suffix](comparisons))


def _json(comparisons: Sequence[Comparison]) -> str:
    return json.dumps([one.to_json() for one in comparisons], indent=1, ensure_ascii=False) + "\n"


def _csv(comparisons: Sequence[Comparison]) -> str:
    """`first_run` and `second_run` are the folders."""
    import pandas as pd

    frames = [one.frame().assign(first_run=str(one.first), second_run=str(one.second)) for one in comparisons]
    text: str = pd.concat(frames).to_csv(index=False)
    return text


_FORMATS: Mapping[str, Callable[[Sequence[Comparison]], str]] = {".json": _json, ".csv": _csv}
