"""Reading a task or group file: safe YAML with `!function` and `include`, and no code run.

Source of the rules: lm-evaluation-harness 0.4.13, `lm_eval/tasks/_yaml_loader.py`. Two things differ: an
include reached on two ways is read, not taken for a cycle, and there is one dialect, YAML 1.1's safe subset,
whether or not libyaml is there.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks_lib.errors import TaskError
from tasks_lib.files.config import FunctionRef
from tasks_lib.value_text import short_repr

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

# What the import path of a metric of one's own begins with.
CUSTOM = "custom:"
_MOST_BYTES = 16_000_000
_MAP = "tag:yaml.org,2002:map"
_MERGE = "tag:yaml.org,2002:merge"
# Python refuses to write a whole number of more digits (4,300) as text.
_MOST_BITS = 14_000
# libyaml's composer overflows the C stack at some 25,000 levels; a file shorter than this cannot get near.
_SHALLOW_BYTES = 8_000
_MOST_LEVELS = 200
# Aliases can make a short file stand for more values than there is memory.
_MOST_VALUES = 100_000

# What PyYAML's constructors raise on values that look like a date, a number or a key but are none.
_BAD_VALUE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file after its includes.

    content: the merged mapping; it is shared with other readers and must not be changed.
    includes: the files that had a part in it besides itself, absolute, each once.
    """

    content: Mapping[str, Any]
    includes: tuple[Path, ...]


class YamlFiles:
    """The files read in one run: each is parsed once, however many others include it."""

    def __init__(self) -> None:
        self._files: dict[str, YamlFile] = {}
        self._folders: dict[str, str] = {}
        self._warnings: list[str] = []

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each key that one of the files says twice; the last one counts, as in lm-eval."""
        return tuple(self._warnings)

    def read(self, path: Path) -> YamlFile:
        """`path` with its includes merged, and `!function a.b` as `FunctionRef`.

        Later includes win over earlier ones and the file's own keys over all; `task_list` is not inherited.
        Errors: TaskError where a file is missing, is not YAML or not a mapping, or includes itself, with the
        file and, where known, the line.
        """
        return self._read(self._real(str(path)), ())

    def merge(self, mapping: Mapping[str, Any], owner: Path) -> YamlFile:
        """A mapping that stands inside the file `owner`, with the files of its `include` key merged."""
        return self._merge(mapping, self._real(str(owner)), ())

    def _read(self, path: str, chain: tuple[str, ...], owner: str | None = None) -> YamlFile:
        """owner: the file that includes it."""
        if path in chain:
            raise TaskError("include cycle: " + " -> ".join([*chain[chain.index(path) :], path]))
        if path not in self._files:
            content = self._parse(path, owner)
            self._files[path] = self._merge(content, path, (*chain, path))
        return self._files[path]

    def _parse(self, path: str, owner: str | None) -> dict[str, Any]:
        try:
            raw = _content(path)
        except (OSError, ValueError) as error:
            said = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
            raise TaskError(f"{owner}: `include`: {said}" if owner else said) from error
        content, warnings = _parsed(path, raw)
        self._warnings += warnings
        return content

    def _merge(self, mapping: Mapping[str, Any], owner: str, chain: tuple[str, ...]) -> YamlFile:
        if "include" not in mapping:
            return YamlFile(mapping, ())
        merged: dict[str, Any] = {}
        includes: dict[Path, None] = {}
        for name in _include_names(mapping["include"], owner):
            path = self._real(os.path.join(os.path.dirname(owner), name))
            included = self._read(path, chain, owner)
            merged |= {key: value for key, value in included.content.items() if key != "task_list"}
            includes |= dict.fromkeys((Path(path), *included.includes))
        merged |= {key: value for key, value in mapping.items() if key != "include"}
        return YamlFile(merged, tuple(includes))

    def _real(self, path: str) -> str:
        """`path` absolute and without links; a folder is resolved once, as most files share theirs."""
        folder, name = os.path.split(path)
        try:
            if folder not in self._folders:
                self._folders[folder] = os.path.realpath(folder)
            found = os.path.join(self._folders[folder], name)
            return os.path.realpath(found) if name == ".." or os.path.islink(found) else found
        except (OSError, ValueError) as error:
            raise TaskError(f"{path!r} cannot be a file: {error}") from error


def _content(path: str) -> bytes:
    """What is in a file. Raises OSError for one too big, and for what may have no end (a pipe, a device)."""
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR):  # a folder says better itself what it is
        raise OSError("it is no file of text")
    with open(path, "rb") as file:
        raw = file.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise OSError(f"it has more than {_MOST_BYTES:,} bytes")
    return raw


class _Loader(SafeLoader):
    """Safe YAML with one more tag, `!function`."""

    folder: Path


def _function(loader: _Loader, node: yaml.Node) -> FunctionRef:
    return FunctionRef(loader.folder, str(loader.construct_scalar(node)))  # type: ignore[arg-type]


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    value: int = loader.construct_yaml_int(node)
    if value.bit_length() > _MOST_BITS:
        raise ValueError("a whole number of too many digits")
    return value


_Loader.add_constructor("!function", _function)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def _include_names(value: object, owner: str) -> list[str]:
    names: list[Any] = value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str):
            raise TaskError(f"{owner}: `include` wants a file name or a list of them, not {short_repr(name)}")
    return names


def _parsed(path: str, raw: bytes) -> tuple[dict[str, Any], list[str]]:
    """One file as it stands, without its includes, and warnings."""
    try:
        if len(raw) > _SHALLOW_BYTES:
            _refuse_deep_nesting(raw, path)
        loader = _Loader(raw)
        loader.folder = Path(path).parent
        root = loader.get_single_node()
        if b"&" in raw and b"*" in raw and _values(root, {}) > _MOST_VALUES:
            raise TaskError(
                f"{path}: its aliases stand for more than {_MOST_VALUES:,} values; write them out"
            )
        warnings = _repeated_keys(root, path)
        content = _construct(loader, root, path)
        if CUSTOM.encode() in raw:
            _refer_to_custom_metrics(content, loader.folder)
        return content, warnings
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise TaskError(f"{path}{line}: not readable as YAML: {error.problem}") from error
    except RecursionError as error:
        raise TaskError(f"{path}: not readable as YAML: nested too deeply") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise TaskError(f"{path}: not readable as YAML: {str(error).splitlines()[0]}") from error


def _construct(loader: _Loader, root: yaml.Node | None, path: str) -> dict[str, Any]:
    """The values of the file's mapping. One key at a time, so that a bad value has a line; nothing in it
    contains itself, as PyYAML refuses that when it builds in depth."""
    if not isinstance(root, yaml.MappingNode) or root.tag != _MAP:
        found = "nothing" if root is None else type(root).__name__.removesuffix("Node").lower()
        raise TaskError(f"{path}: a task file is a mapping of keys to values, here is {found}")
    loader.flatten_mapping(root)
    content = {}
    for key, value in root.value:
        try:
            content[loader.construct_object(key, deep=True)] = loader.construct_object(value, deep=True)
        except _BAD_VALUE as error:
            line = key.start_mark.line + 1
            said = "nested too deeply" if isinstance(error, RecursionError) else error
            raise TaskError(f"{path}:{line}: not readable as YAML: {said}") from error
    return content


def _refer_to_custom_metrics(value: object, folder: Path) -> None:
    """Have each `metric: custom:module:name` say which folder's file it stands in, which must be trusted: the
    file may be included by others, and a group's is merged into its tasks."""
    if isinstance(value, dict):
        metric = value.get("metric")
        if isinstance(metric, str) and metric.startswith(CUSTOM):
            value["metric"] = FunctionRef(folder, metric.removeprefix(CUSTOM).replace(":", "."), True)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refer_to_custom_metrics(inner, folder)


def _repeated_keys(root: yaml.Node | None, path: str) -> list[str]:
    known: set[str] = set()
    warnings = []
    for key, _ in root.value if isinstance(root, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            if key.value in known:
                line = key.start_mark.line + 1
                warnings.append(f"{path}:{line}: `{key.value}` is there twice; the last one counts")
            known.add(key.value)
    return warnings


def _values(node: yaml.Node | None, known: dict[int, int]) -> int:
    """How many values a node stands for, an alias counted as what it names. known: of nodes, by identity."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0  # what contains itself is refused when it is built
        inner = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_values(part, known) for part in inner)
    return known[id(node)]


def _refuse_deep_nesting(raw: bytes, path: str) -> None:
    depth = 0
    for event in yaml.parse(raw, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_LEVELS:
            line = event.start_mark.line + 1  # type: ignore[union-attr]
            raise TaskError(f"{path}:{line}: nested deeper than {_MOST_LEVELS} levels")
