"""Where the parameters of generated texts are from: the task's file, the run, the model's own files."""

from collections.abc import Mapping
from typing import Any

from backends.model_files.generation_defaults import DRAWING
from backends.text.generation_settings import DEFAULT_MAX_TOKENS, MAX_TOKENS, is_drawn
from backends.text.thinking import PARAMETER
from flows.common.json_object import JsonObject

_LATER = ("generation_config", "generation_defaults")


def generation_record(
    asked: Mapping[str, Any], own: Mapping[str, Any], flags: Mapping[str, Any], described: Mapping[str, Any]
) -> JsonObject:
    """By parameter, its `value` and what it is `from`.

    asked: as requests have them. own: of the task's file. flags: `--gen-kwargs`. described: what is known of
    the model; where that is nothing, as of an endpoint, what decides in its place has no value.
    """
    found: JsonObject = {
        name: {"value": value, "from": _source(name, value, own, flags)} for name, value in asked.items()
    }
    if not any(name in asked for name in MAX_TOKENS):
        found["max_gen_toks"] = {"value": DEFAULT_MAX_TOKENS, "from": "default"}
    draws = is_drawn(asked)
    for source, said in _of_model(described).items():
        for name, value in said.items():
            if draws or name not in DRAWING:
                found.setdefault(name, {"value": value, "from": source})
    if draws and not any(name in described for name in _LATER):
        for name in ("temperature", "top_p"):
            found.setdefault(name, {"value": None, "from": "the endpoint's default"})
    return found


def _source(name: str, value: Any, own: Mapping[str, Any], flags: Mapping[str, Any]) -> str:
    if name == "do_sample" and value is False and flags.get(name, own.get(name)):
        return "temperature=0"
    if name in flags:
        return "--gen-kwargs"
    if name in own:
        return "task file"
    return {"seed": "--seed", PARAMETER: "--end-of-thinking"}.get(name, "default")


def _of_model(described: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    names = dict(zip(_LATER, ("generation_config.json", "transformers' default"), strict=True))
    return {source: described.get(key) or {} for key, source in names.items()}
