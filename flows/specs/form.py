"""How a spec shows as a form: the JSON schema of which Prefect's UI makes fields, and its server checks.

The UI sorts fields by `position`, reads descriptions as Markdown, and makes tabs of every `anyOf`, one of
them "None". A field that is not required and has no default is empty instead, and the server takes null for
it; so that is what a value that may be missing becomes. Sections of the form would be sections of the flags
and of the YAML file: the titles name them instead.
"""

import re
from collections.abc import Mapping

from backends.keys import KEY_NAME_IN_ANY_CASE, NO_KEY_IN_TEXT
from flows.common.json_object import JsonObject

_FLAG = re.compile(r"--([a-z]+(?:-[a-z]+)*)")
_SEPARATED = re.compile(r",? separated by (?:commas|'[^']*')")
_MARKUP = re.compile(r"([<>*_])")

# A refusal repeats the pattern, and so says what is right.
NO_KEY_PATTERN = f"{NO_KEY_IN_TEXT}|^write env:VARIABLE or secret:NAME in place of a key$"
# Levels of mappings that the form looks into; the run itself looks into all.
_DEEPEST = 2

# Fields in the order of the form; what is not named here comes last.
TITLES = {
    "model": "Model",
    "fallback": "Model: fallbacks",
    "allow_mixing": "Model: allow mixing",
    "batch_size": "Model: batch size",
    "tasks": "Tasks",
    "limit": "Tasks: limit",
    "num_fewshot": "Tasks: few-shot examples",
    "samples": "Tasks: only these documents",
    "seed": "Tasks: seed",
    "repeats": "Tasks: repeats",
    "metadata": "Tasks: metadata",
    "data_root": "Tasks: data roots",
    "include_path": "Tasks: include paths",
    "trust_task_code": "Tasks: trust their code",
    "apply_chat_template": "Asking: chat template",
    "system_instruction": "Asking: system instruction",
    "gen_kwargs": "Asking: generation parameters",
    "end_of_thinking": "Asking: end of thinking",
    "truncate": "Asking: prompts that are too long",
    "min_coverage": "Scoring: least coverage",
    "cluster": "Scoring: cluster",
    "sandbox": "Scoring: sandbox of the model's programs",
    "allow_unsafe_code": "Scoring: allow unsafe code",
    "doc_seconds": "Scoring: seconds of a document",
    "doc_memory": "Scoring: memory of a document",
    "compat": "Scoring: compatibility",
    "budget_usd": "Budget: US dollars",
    "budget_tokens": "Budget: tokens",
    "budget_time": "Budget: seconds",
    "task_budget_usd": "Budget of each task: US dollars",
    "task_budget_tokens": "Budget of each task: tokens",
    "task_budget_time": "Budget of each task: seconds",
    "price": "Budget: prices",
    "runner": "Running: where",
    "on_stop": "Running: when it must stop",
    "shared_limit": "Running: shared limit",
    "output": "Output: folder",
    "shared_folder": "Output: folder of shared steps",
    "store": "Output: response store",
    "reuse": "Output: reuse of a renamed model's answers",
    "ask_anew": "Output: ask anew, under a name",
    "sinks": "Output: publish to",
    "answers_from": "Output: answers from an earlier run",
    "latency_target": "Output: latency target",
    "show_performance": "Output: show performance",
    "explain_cache": "Output: explain the cache",
    "estimate": "Output: only estimate",
}


def as_form(schema: JsonObject) -> None:
    """Make a spec's JSON schema one of a form; it accepts what it accepted."""
    _make_form(schema, {})


def as_evaluation_form(schema: JsonObject) -> None:
    """The same for `EvaluationSpec`, with fields by section."""
    _make_form(schema, TITLES)


def _make_form(schema: JsonObject, titles: Mapping[str, str]) -> None:
    order = {name: position for position, name in enumerate(titles)}
    properties = sorted(schema["properties"].items(), key=lambda item: order.get(item[0], len(order)))
    schema["properties"] = {
        name: {**_field(field, titles), "title": _title(name, titles), "position": position}
        for position, (name, field) in enumerate(properties)
    }


def _title(name: str, titles: Mapping[str, str]) -> str:
    return titles.get(name) or name.replace("_", " ").capitalize()


def _field(field: JsonObject, titles: Mapping[str, str]) -> JsonObject:
    """One field: no tab for "None", literals as choices, and a help text that shows as it is written."""
    shown = {name: value for name, value in field.items() if name != "anyOf"}
    options = [_choice(option) for option in field.get("anyOf", ())]
    given = [option for option in options if option.get("type") != "null"]
    if len(given) == 1 and len(options) > 1:
        del shown["default"]
        shown |= given[0]
        if "enum" in shown:
            shown["enum"] = [*shown["enum"], None]
    elif options:
        shown["anyOf"] = options
    if "description" in field:
        shown["description"] = _help(field["description"], titles)
    return {**shown, **_keyless(shown)}


def _keyless(field: JsonObject) -> JsonObject:
    """What keeps keys out of a field: Prefect's server refuses a run before it keeps its parameters."""
    match field.get("type"):
        case "string" if "enum" not in field:
            return {"pattern": field.get("pattern", NO_KEY_PATTERN)}
        case "array" if field["items"].get("type") == "string":
            return {"items": {**field["items"], "pattern": NO_KEY_PATTERN}}
        case "object":
            return _keyless_object(_DEEPEST)
        case _:
            return {}


def _keyless_object(depth: int) -> JsonObject:
    """Of mappings and lists within each other. Each keyword is for values of one type."""
    if depth == 0:
        return {}
    inner = {"pattern": NO_KEY_PATTERN, **_keyless_object(depth - 1)}
    named = {"not": {"type": "string", "pattern": "^(?!env:|secret:|true$|false$)."}}
    keys = {f"^{KEY_NAME_IN_ANY_CASE}$": named}
    return {"patternProperties": keys, "additionalProperties": inner, "items": inner}


def _help(text: str, titles: Mapping[str, str]) -> str:
    """A flag's help text for a form, where lists have a line for each item and flags are fields."""

    def named(flag: re.Match[str]) -> str:
        return f"“{_title(flag[1].replace('-', '_'), titles)}”"

    return _FLAG.sub(named, _MARKUP.sub(r"\\\1", _SEPARATED.sub("", text)))


def _choice(option: JsonObject) -> JsonObject:
    if "const" not in option:
        return option
    return {"type": option["type"], "enum": [option["const"]]}
