"""From keys to a spec, with errors of a line or two that name the flag."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from backends.keys import shown
from flows.common.errors import SpecError

# Their values are not repeated: what is wrong with one may be that it has a key or password in it.
NOT_SHOWN = ("model", "fallback", "models", "store", "output", "runner", "sinks", "gen_kwargs", "webhook")

Spec = TypeVar("Spec", bound=BaseModel)


def validated(spec: type[Spec], keys: Mapping[str, object]) -> Spec:
    """The model of these keys. Raises SpecError, naming the first that is wrong as a flag."""
    try:
        return spec.model_validate(keys)
    except ValidationError as error:
        raise SpecError(_explained(error)) from error


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"][:1]]
    message = first["msg"].removeprefix("Value error, ")
    flag = "--" + keys[0].replace("_", "-") if keys else "the request"
    return f"{flag}: {message}" + (
        f" (got {shown(first['input'])})" if keys and keys[0] not in NOT_SHOWN else ""
    )
