"""Where a generated text ends: its stop sequences, and what of it comes before them.

Source of the rule: lm-evaluation-harness 0.4.13, `models.utils.postprocess_generated_text`.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def stops_of(generation: Mapping[str, Any]) -> tuple[str, ...]:
    """The stop sequences of generation parameters, of which `until` has one, several or none."""
    until = generation.get("until") or ()
    return tuple(stop for stop in ((until,) if isinstance(until, str) else until) if stop)


def cut_at_stops(text: str, stops: Sequence[str]) -> str:
    """The text before the stops, cut at one after the other: `xab` is `xa` before the stops `b`, `ab`."""
    for stop in stops:
        text = text.split(stop)[0]
    return text
