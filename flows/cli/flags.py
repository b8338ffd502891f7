"""Flags made from a pydantic model: the same keys, help texts and checks, and errors of a line or two."""

import argparse
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

from pydantic import BaseModel

from flows.common.errors import SpecError
from metrics.errors import nearest


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
