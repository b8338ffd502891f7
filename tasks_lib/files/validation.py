"""What a user wrote, checked against a pydantic model; what is wrong is said in the user's words."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from metrics.errors import nearest
from tasks_lib.errors import TaskError
from tasks_lib.files.config import AggregateMetric, FewshotConfig, FilterPipeline, FormatConfig
from tasks_lib.value_text import short_repr

Model = TypeVar("Model", bound=BaseModel)

_INNER: Mapping[str, type[BaseModel]] = {
    "fewshot_config": FewshotConfig,
    "filter_list": FilterPipeline,
    "formats": FormatConfig,
    "aggregate_metric_list": AggregateMetric,
}

# By pydantic's type of error: what a value should be, in the words of task files.
_WANTED: Mapping[str, str] = {
    "string_type": "a text",
    "is_instance_of": "a `!function`",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "finite_number": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "invalid_key": "a text as key",
}

MOST_NAMES = 3  # that an unknown one is like
_MOST_LINES = 8  # of one error


def checked(model: type[Model], raw: Mapping[str, Any], source: str) -> Model:
    """`raw` as a `model`.

    source: where it was written, the first words of every message.
    Errors: TaskError with one line for each key that is wrong, and the nearest known key for an unknown one.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        said: dict[str, dict[str, None]] = {}
        given: dict[str, str] = {}
        for detail in error.errors(include_url=False, include_context=False):
            path = _key_path(raw, detail)
            key = ".".join(map(str, path or detail["loc"]))
            said.setdefault(key, {})[_phrase(model, path, detail)] = None
            if detail["type"] not in ("extra_forbidden", "missing"):
                given[key] = f", not {short_repr(detail['input'])}"
        lines = [
            f"{source}: `{key}`: {'wants ' * (key in given)}{' or '.join(phrases)}{given.get(key, '')}"
            for key, phrases in said.items()
        ]
        more = [f"{source}: and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        raise TaskError("\n".join((*lines[:_MOST_LINES], *more))) from error


def _phrase(model: type[BaseModel], path: list[str | int], detail: ErrorDetails) -> str:
    """What is wrong with the key at `path`, or what its value should be."""
    if detail["type"] == "extra_forbidden":
        fields = (_INNER.get(str(path[0]), model) if len(path) > 1 else model).model_fields
        return f"unknown key{nearest(str(path[-1]), fields, MOST_NAMES)}"
    if detail["type"] == "missing":
        return "missing"
    if detail["loc"][-1] == "[key]":
        return "a text as key"
    said = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return _WANTED.get(detail["type"]) or said.replace("greater than", "a number greater than")


def _key_path(raw: object, detail: ErrorDetails) -> list[str | int]:
    """The keys that lead to the error; pydantic puts names of union members in between, which are no keys."""
    path: list[str | int] = []
    value = raw
    for part in detail["loc"]:
        match value:
            case Mapping() if part in value:
                value = value[part]
            case list() if isinstance(part, int) and part < len(value):
                value = value[part]
            case _:
                continue
        path.append(part)
    if detail["type"] == "missing":
        path.append(detail["loc"][-1])
    return path
