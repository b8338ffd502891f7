"""From keys to a spec, with errors of a line or two that name the flag."""

import json
from collections.abc import Mapping
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from backends.keys import shown, without_keys
from flows.common.errors import SpecError
from metrics.errors import nearest

# Their values are not repeated: what is wrong with one may be that it has a key or password in it.
NOT_SHOWN = ("model", "fallback", "models", "store", "output", "runner", "sinks", "gen_kwargs", "webhook")

Spec = TypeVar("Spec", bound=BaseModel)


def validated(spec: type[Spec], keys: Mapping[str, object]) -> Spec:
    """The model of these keys. Raises SpecError, naming the first that is wrong as a flag."""
    for key, value in keys.items():
        _check_encodable(key, value)
    try:
        return spec.model_validate(keys)
    except ValidationError as error:
        raise SpecError(_explained(error, list(spec.model_fields))) from error


def yaml_problem(error: yaml.YAMLError) -> str:
    """What is wrong with a text that is no YAML, and where; the line itself may hold a key."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return without_keys(" ".join(str(error).split()))
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {without_keys(error.problem or 'it is no YAML')}"


def _check_encodable(key: str, value: object) -> None:
    """Bytes of a shell that are not UTF-8 come as characters that no file, database or endpoint takes."""
    try:
        json.dumps(value, ensure_ascii=False, default=str, skipkeys=True).encode()
    except UnicodeEncodeError as error:
        raise SpecError(f"{_flag(key)}: has characters that are not UTF-8") from error


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _explained(error: ValidationError, known: list[str]) -> str:
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        return f"unknown key {shown(name)}{nearest(name, known)}"
    keys = [str(part) for part in first["loc"][:1]]
    message = first["msg"].removeprefix("Value error, ")
    flag = _flag(keys[0]) if keys else "the request"
    return f"{flag}: {message}" + (
        f" (got {shown(first['input'])})" if keys and keys[0] not in NOT_SHOWN else ""
    )
