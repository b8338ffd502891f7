"""Flags made from a pydantic model: the same keys, help texts and checks, and errors of a line or two."""

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, NoReturn, Union, get_args, get_origin

from pydantic import BaseModel

from backends.keys import shown, without_keys
from backends.model_string import ModelSpec
from flows.common.errors import SpecError
from flows.common.json_object import JsonObject
from flows.storage.bucket import BucketPath
from metrics.errors import nearest

# How values are written, by their types as `_types` has them.
_WRITTEN: Mapping[object, str] = {
    int: "N",
    float: "NUMBER",
    str: "TEXT",
    Path: "PATH",
    BucketPath: "s3://...",
    ModelSpec: "MODEL",
    list[str]: "NAME,NAME",
    list[Path]: "PATH:PATH",
    list[ModelSpec]: "'MODEL | MODEL'",
    dict[str, list[int]]: "JSON",
}


class Parser(argparse.ArgumentParser):
    """Refuses with the project's own error, which names the nearest flag."""

    def __init__(self, script: str, description: str) -> None:
        super().__init__(prog=script, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise SpecError(without_keys(message))


def add_flags(
    parser: argparse.ArgumentParser,
    spec: type[BaseModel],
    except_for: Collection[str] = (),
    titles: Mapping[str, str] | None = None,
) -> None:
    """Give the parser a flag for each key of a model, except_for those named.

    titles: of keys, each after its section ("Budget: tokens"), in the order of the help.
    """
    titles, sections = titles or {}, dict[str, argparse._ArgumentGroup]()
    fields = {name: info for name, info in spec.model_fields.items() if name not in except_for}
    for name in sorted(fields, key=[*titles, *fields].index):
        section = titles[name].partition(":")[0] if name in titles else ""
        if section and section not in sections:
            sections[section] = parser.add_argument_group(section)
        group = sections[section] if section else parser
        flag, types = "--" + name.replace("_", "-"), _types(fields[name].annotation)
        about = fields[name].description
        if types == [bool]:
            group.add_argument(flag, action="store_true", default=None, help=about)
        elif all(isinstance(one, str) for one in types):
            group.add_argument(flag, choices=types, help=about)
        else:
            group.add_argument(flag, metavar="|".join(map(_written, types)), help=about)


def _types(annotation: object) -> list[object]:
    """What a value may be, but None: types, and of literals the texts themselves."""
    if get_origin(annotation) in (Union, UnionType):
        return [one for part in get_args(annotation) for one in _types(part)]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if get_origin(annotation) is Annotated:
        return _types(get_args(annotation)[0])
    return [] if annotation is NoneType else [annotation]


def _written(one: object) -> str:
    """As in a help text."""
    return one if isinstance(one, str) else _WRITTEN.get(one, "KEY=VALUE,...")


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed flags. Raises SpecError for unknown ones, naming the nearest."""
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        options = [option for action in parser._actions for option in action.option_strings]
        flag = unknown[0].partition("=")[0]  # without its value, which may be a key
        raise SpecError(f"unknown argument {shown(flag)}{nearest(flag, options)}; --help lists all flags")
    return known


def given(spec: type[BaseModel], arguments: argparse.Namespace) -> JsonObject:
    """Those keys of a model that flags were given for."""
    flags = {key: value for key, value in vars(arguments).items() if key in spec.model_fields}
    return {key: value for key, value in flags.items() if value is not None}
