"""Flags made from a pydantic model: the same keys, help texts and checks, and errors of a line or two."""

import argparse
import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from flows.common.errors import SpecError

# Their values are not repeated: what is wrong with one may be that it has a key or password in it.
NOT_SHOWN = ("model", "fallback", "models", "store")

Spec = TypeVar("Spec", bound=BaseModel)


class Parser(argparse.ArgumentParser):
    """Refuses with the project's own error, which names the nearest flag."""

    def error(self, message: str) -> NoReturn:
        raise SpecError(message)


def add_flags(parser: argparse.ArgumentParser, spec: type[BaseModel], besides: Collection[str] = ()) -> None:
    """Give the parser a flag for each key of a model, besides those named."""
    for name, info in spec.model_fields.items():
        if name in besides:
            continue
        flag = "--" + name.replace("_", "-")
        if info.annotation is bool:
            parser.add_argument(flag, action="store_true", default=None, help=info.description)
        else:
            parser.add_argument(flag, metavar=name.rpartition("_")[2].upper(), help=info.description)


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed flags. Raises SpecError for unknown ones, naming the nearest."""
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        options = [option for action in parser._actions for option in action.option_strings]
        near = nearest(unknown[0], options)
        raise SpecError(f"unknown argument {unknown[0]!r}{near}; --help lists all flags")
    return known


def given(spec: type[BaseModel], arguments: argparse.Namespace) -> dict[str, Any]:
    """Those keys of a model that flags were given for."""
    flags = {key: value for key, value in vars(arguments).items() if key in spec.model_fields}
    return {key: value for key, value in flags.items() if value is not None}


def validated(spec: type[Spec], keys: Mapping[str, Any]) -> Spec:
    """The model of these keys. Raises SpecError, naming the first that is wrong as a flag."""
    try:
        return spec.model_validate(keys)
    except ValidationError as error:
        raise SpecError(_explained(error)) from error


def nearest(name: object, options: Sequence[str]) -> str:
    """`, did you mean ...?`, if there is an option like it."""
    near = difflib.get_close_matches(str(name), options, n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"][:1]]
    message = first["msg"].removeprefix("Value error, ")
    flag = "--" + keys[0].replace("_", "-") if keys else "the request"
    return f"{flag}: {message}" + (f" (got {first['input']!r})" if keys and keys[0] not in NOT_SHOWN else "")
