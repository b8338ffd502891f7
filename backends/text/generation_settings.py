"""How a text is generated, as a request's generation parameters say it; the same for every backend.

Source of the rules: lm-evaluation-harness 0.4.13, `models.utils.normalize_gen_kwargs`,
`handle_stop_sequences` and `postprocess_generated_text`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.errors import BackendError
from backends.text.stop_sequences import stops_of
from backends.text.thinking import PARAMETER

DEFAULT_MAX_TOKENS = 256
# Names of the same limit, the first one given counts.
MAX_TOKENS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
# Below it the most probable token is drawn all but surely; engines divide by it, or take it for 0 (vLLM).
LEAST_TEMPERATURE = 1e-5


@dataclass(frozen=True, slots=True)
class Settings:
    """How a text is generated.

    stops: the texts it ends before, the end-of-sequence token's among them where that is given.
    options: what is left for the model (`top_p`, ...).
    mark: the text that ends thinking; the stops are none before it.
    """

    stops: tuple[str, ...]
    max_tokens: int
    do_sample: bool
    seed: int
    options: Mapping[str, Any]
    mark: str | None = None


def is_drawn(generation: Mapping[str, Any]) -> bool:
    """Whether a text is drawn, rather than always the most probable one: where `do_sample` says so, or, if it
    says nothing, there is a temperature. One of 0 always means the most probable. Raises BackendError."""
    temperature, do_sample = temperature_of(generation), generation.get("do_sample")
    if temperature == 0:
        return False
    return temperature is not None if do_sample is None else bool(do_sample)


def temperature_of(generation: Mapping[str, Any]) -> float | None:
    """The temperature that is given. Raises BackendError where it can be none."""
    given = generation.get("temperature")
    if given is None:
        return None
    try:
        temperature = float(given)
    except (TypeError, ValueError):
        temperature = math.nan
    if not 0 <= temperature < math.inf:
        raise BackendError(f"temperature={given!r} is not a number from 0 on")
    return temperature


def settings_of(generation: Mapping[str, Any], *, eos: str | None) -> Settings:
    """Read a request's generation parameters; without a `seed` it is 0. Where nothing is drawn there is no
    temperature. Raises BackendError."""
    options = dict(generation)
    stops = stops_of(generation)
    options.pop("until", None)
    limits = [limit for limit in (options.pop(name, None) for name in MAX_TOKENS) if limit is not None]
    temperature = temperature_of(generation)
    do_sample = is_drawn(generation) and (temperature is None or temperature >= LEAST_TEMPERATURE)
    for name in ("temperature", "do_sample"):
        options.pop(name, None)
    if do_sample and temperature is not None:
        options["temperature"] = temperature
    if "max_length" in options:
        raise BackendError("generation parameter max_length: counts the prompt too; use max_gen_toks")
    mark = options.pop(PARAMETER, None)
    if mark and options.get("num_beams", 1) != 1:
        raise BackendError(f"generation parameter num_beams: {PARAMETER} needs it to be 1")
    return Settings(
        stops=tuple(dict.fromkeys((*stops, eos) if eos else stops)),
        max_tokens=int(limits[0]) if limits else DEFAULT_MAX_TOKENS,
        do_sample=do_sample,
        seed=int(options.pop("seed", 0)),
        options=options,
        mark=mark,
    )
