"""How a text is generated, as a request's generation parameters say it; the same for every backend.

Source of the rules: lm-evaluation-harness 0.4.13, `models.utils.normalize_gen_kwargs`,
`handle_stop_sequences` and `postprocess_generated_text`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.errors import BackendError
from backends.text.stop_sequences import stops_of
from backends.text.thinking import PARAMETER

DEFAULT_MAX_TOKENS = 256
# Names of the same limit, the first one given counts.
MAX_TOKENS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


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


def settings_of(generation: Mapping[str, Any], *, eos: str | None) -> Settings:
    """Read a request's generation parameters; without a `seed` it is 0.

    Without sampling there is no temperature; a temperature above 0 means sampling unless `do_sample` says no.
    """
    options = dict(generation)
    stops = stops_of(generation)
    options.pop("until", None)
    limits = [limit for limit in (options.pop(name, None) for name in MAX_TOKENS) if limit is not None]
    temperature = float(options.pop("temperature", None) or 0.0)
    do_sample = options.pop("do_sample", None)
    do_sample = temperature > 0 if do_sample is None else bool(do_sample)
    if do_sample and temperature:
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
