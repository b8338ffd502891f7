"""How users name a model: `backend:name?key=value&key=value`.

    hf:Qwen/Qwen3-0.6B?revision=abc   hf:/models/smollm2?dtype=float32   custom:package.module:Class?size=3

Names and values are percent-decoded. `true` and `false` are booleans; what Python would write the same way
(`8`, `0.5`, not `007` or `1.10`) is a number; everything else is text, and so is a value with an escape in it
(`%38`). An option that is a key names where the key is: `api_key=env:VARIABLE` or `api_key=secret:NAME`.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote, unquote

from pydantic import (
    BaseModel,
    ConfigDict,
    FiniteFloat,
    GetJsonSchemaHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from backends.errors import BackendError
from backends.keys import KEY_NAME_IN_ANY_CASE, NO_KEY_IN_TEXT, check_no_key, check_place, shown
from backends.table import BACKENDS
from metrics.errors import nearest_or_all

Option = str | int | FiniteFloat | bool
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
_BOOLEANS = {"true": True, "false": False}
# The same for a model string, read by whatever checks a JSON schema.
_NO_KEY_WITHIN = (
    rf"{NO_KEY_IN_TEXT}(?!.*[?&]{KEY_NAME_IN_ANY_CASE}=(?!env:|secret:|true(&|$)|false(&|$)))"
    # Never a model: a refusal repeats the pattern, and so says what is right.
    r"|^write api_key=env:VARIABLE or api_key=secret:NAME$"
)
# What may stand unescaped in a value: all that paths and revisions are made of.
_PLAIN = "/:@,+ ~()[]{}'\"=*!$;"


class ModelSpec(BaseModel):
    """A model as users name it: which backend, which model of it, with which options.

    Made from a model string or from a mapping of these three; `str()` gives the string, which parses to an
    equal spec, and so does JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    backend: str
    name: str
    options: dict[str, Option] = {}

    @classmethod
    def parse(cls, model: str | Mapping[str, Any]) -> Self:
        """The spec of a model string or mapping. Raises BackendError saying what would be right."""
        try:
            return cls.model_validate(model)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(["model", *(str(part) for part in first["loc"][:2])])
            own = first["type"] == "value_error"
            raise BackendError(
                first["msg"].removeprefix("Value error, ") if own else f"{where}: {first['msg']}"
            ) from error

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        return _fields(value) if isinstance(value, str) else value

    @field_validator("backend")
    @classmethod
    def _known_backend(cls, backend: str) -> str:
        if backend not in BACKENDS:
            raise BackendError(f"there is no backend {shown(backend)}; {nearest_or_all(backend, BACKENDS)}")
        return backend

    @field_validator("name")
    @classmethod
    def _some_name(cls, name: str) -> str:
        if not name:
            raise BackendError("a model string names a model after the colon, e.g. 'hf:Qwen/Qwen3-0.6B'")
        check_place(name, "the model's name: ")
        return name

    @field_validator("options")
    @classmethod
    def _no_literal_keys(cls, options: dict[str, Option]) -> dict[str, Option]:
        for option, value in options.items():
            check_no_key({option: value}, f"option {shown(option)}: ")
        return options

    @model_serializer(mode="plain", when_used="json")
    def _as_text(self) -> str:
        return str(self)

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A line of text: so it is written in a form."""
        examples = [entry.example for entry in BACKENDS.values()]
        return {"type": "string", "title": "Model", "pattern": _NO_KEY_WITHIN, "examples": examples}

    def __str__(self) -> str:
        name = quote(self.name, safe=_PLAIN + "&")
        options = "&".join(
            f"{quote(key, safe='')}={written(value)}" for key, value in sorted(self.options.items())
        )
        return f"{self.backend}:{name}" + (f"?{options}" if options else "")


def task_arguments(model: ModelSpec) -> dict[str, Option]:
    """What task code gets to know of a model: its options, and its name as lm-eval calls it."""
    name_is = BACKENDS[model.backend].name_is
    return {**({name_is: model.name} if name_is else {}), **model.options}


def written(value: Option) -> str:
    """An option's value as it stands in a model string; text that would read as something else is escaped."""
    if not isinstance(value, str):
        return str(value).lower()
    plain = quote(value, safe=_PLAIN)
    return plain if _typed(plain) == value else f"%{ord(plain[0]):02X}{plain[1:]}"


def as_json(value: object) -> object:
    """An option's value that is JSON, as what it stands for."""
    return json.loads(value) if isinstance(value, str) else value


def _fields(text: str) -> dict[str, Any]:
    address, _, query = text.partition("?")
    backend, colon, name = address.partition(":")
    if not colon:
        hub = f"hf:{backend}" if backend and shown(backend) == repr(backend) else "hf:Qwen/Qwen3-0.6B"
        example = BACKENDS[backend].example if backend in BACKENDS else hub
        raise BackendError(f"model {shown(text)}: write backend:name?key=value, e.g. {example!r}")
    return {"backend": backend, "name": unquote(name), "options": _options(query, f"model {shown(address)}")}


def _options(query: str, where: str) -> dict[str, Option]:
    """where: of which model, without its options: any of them may be a key."""
    options: dict[str, Option] = {}
    for part in query.split("&") if query else ():
        key, equals, value = part.partition("=")
        if not (key and equals):
            raise BackendError(f"{where}: {shown(part)} is no option, write key=value and join them with &")
        if unquote(key) in options:
            raise BackendError(f"{where}: option {shown(unquote(key))} stands there twice")
        options[unquote(key)] = _typed(value)
    return options


def _typed(value: str) -> Option:
    if value in _BOOLEANS:
        return _BOOLEANS[value]
    number = _NUMBER.fullmatch(value)
    if number is None:
        return unquote(value)
    parsed = float(value) if number[1] or number[2] else int(value)
    return parsed if str(parsed) == value else value
