"""A task's generation parameters, and what they must be, whatever the backend makes of them."""

import json
from collections.abc import Mapping
from typing import Any

from tasks_lib.ask_options import AskOptions
from tasks_lib.errors import TaskError
from tasks_lib.files.config import TaskConfig
from tasks_lib.value_text import short_repr

# Names of one limit; backends know them all (lm-eval 0.4.13, `normalize_gen_kwargs`).
LIMITS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


def generation_of(config: TaskConfig, options: AskOptions) -> dict[str, Any]:
    """The generation parameters of a task, its defaults and the run's replacements applied. Raises TaskError,
    and what a temperature raises that is no number."""
    own = config.generation_kwargs
    if own is None:
        own = {"temperature": 0.0, "do_sample": False, "max_gen_toks": 256}
    merged = {"until": [config.fewshot_delimiter], **own}
    if "temperature" in merged:
        merged["temperature"] = float(merged["temperature"])
    return options.generation_of(merged)


def check_generation(parameters: Mapping[str, Any]) -> None:
    """Raise TaskError for stop sequences that are no texts, a limit that leaves nothing to generate, a word
    where yes or no is wanted, and what a request cannot carry."""
    until = parameters.get("until")
    stops = until if isinstance(until, list | tuple) else [until]
    if until is not None and not all(isinstance(stop, str) for stop in stops):
        raise TaskError(f"`until` wants a text or a list of texts, not {short_repr(until)}")
    for name in LIMITS:
        if (limit := parameters.get(name)) is not None and not _is_positive(limit):
            raise TaskError(f"`{name}` wants a number of tokens of at least 1, not {short_repr(limit)}")
    do_sample = parameters.get("do_sample")
    if do_sample is not None and do_sample not in (True, False):
        raise TaskError(f"`do_sample` wants true or false, not {short_repr(do_sample)}")
    for name, value in parameters.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise TaskError(
                f"`{name}` wants a text, a number or a list or mapping of these, not {short_repr(value)}"
            ) from error


def _is_positive(limit: Any) -> bool:
    try:
        return int(limit) >= 1
    except (TypeError, ValueError, OverflowError):
        return False
