"""From the names of a request to the tasks and groups they stand for.

Source of the rules: lm-evaluation-harness 0.4.13, `lm_eval/tasks/_factory.py`. Different here: `include`
works in a group's inline members; a task that is reached twice is evaluated once if it is the same both
times, and otherwise both are kept, the second under the group's name.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from metrics.errors import nearest
from tasks_lib.catalog.index import IndexedFile, is_name
from tasks_lib.code.trusted_functions import code_digest, lm_eval_version
from tasks_lib.errors import TaskError
from tasks_lib.files.config import ClassConfig, FunctionRef, GroupConfig, TaskConfig
from tasks_lib.files.formats import group_in_format, with_format
from tasks_lib.files.validation import MOST_NAMES, checked
from tasks_lib.files.yaml_files import YamlFiles
from tasks_lib.value_text import short_repr

_GROUP_KEYS = {"group", "group_alias", "task", "aggregate_metric_list", "metadata"}
_CATALOG_KEYS = {"tag", "group", "task_list"}  # of a task file, but not of a task
_MOST_LEVELS = 20  # of groups in groups; lm-eval's have 5
_DATA_KEYS = {"dataset_path", "custom_dataset", "class"}


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A task that is asked for.

    path: the file it is written in, or the group's file for one written inside a group.
    digest: sha256 of the definition, and of the code behind its functions.
    """

    config: TaskConfig | ClassConfig
    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What a request stands for.

    tasks: by name, in the order of the request. groups: by name, those inside others before these.
    roots: the tasks and groups that were asked for themselves. warnings: what their files leave open, a line
    each.
    """

    tasks: dict[str, TaskFile]
    groups: dict[str, GroupConfig]
    roots: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """files: the file of every task and group, by name. tags: the tasks of every tag, sorted."""

    files: Mapping[str, IndexedFile]
    tags: Mapping[str, Sequence[str]]

    def __contains__(self, name: str) -> bool:
        return name in self.files or name in self.tags

    @property
    def all(self) -> Mapping[str, None]:
        return dict.fromkeys((*self.files, *self.tags))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one request is for: a known name or a file, and the format it is asked in (None: its own)."""

    what: str | Path
    format: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the groups a task or group is met.

    path: the file it is written in. overrides: what the groups above it set. groups: their names, the
    outermost first. format: what it, or all tasks below it, are asked in; None for each task's own.
    """

    path: Path
    overrides: Mapping[str, Any]
    groups: tuple[str, ...] = ()
    format: str | None = None

    def names(self, name: str) -> Iterator[str]:
        """The names to try for a task or group: its own, then with more and more of the groups before it."""
        yield name
        for first in reversed(range(len(self.groups))):
            yield "::".join((*self.groups[first:], name))

    def within(self, path: Path) -> "_Place":
        """The same place in another file."""
        return replace(self, path=path)

    def labelled(self, name: str) -> str:
        """The name of a task or group here: one that is asked in a format says so."""
        return f"{name}@{self.format}" if self.format else name


class Selector:
    """Collects tasks and groups, one request after the other."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._files = YamlFiles()
        self._codes: dict[tuple[Path, str, bool], str] = {}
        self._asked: dict[str, TaskFile] = {}
        self._tasks: dict[str, TaskFile] = {}
        self._groups: dict[str, GroupConfig] = {}

    def select(self, wanted: Sequence[Wanted]) -> Selection:
        """The tasks and groups of known names and of files.

        Errors: TaskError as `Catalog.select`.
        """
        for name, place in self._single_tasks(wanted):
            kept = place.labelled(name)
            self._asked[kept] = self._task_file(self._content(self._names.files[name]), kept, place)
        roots = [root for one in wanted for root in self._request(one)]
        return Selection(self._tasks, self._groups, tuple(dict.fromkeys(roots)), self._files.warnings)

    def _single_tasks(self, wanted: Iterable[Wanted]) -> Iterator[tuple[str, _Place]]:
        """The tasks asked for by name or tag: no variant of them inside a group may take their names."""
        for one in wanted:
            if isinstance(one.what, str):
                named = (one.what,) if one.what in self._names.files else self._names.tags[one.what]
                for name in named:
                    file = self._names.files[name]
                    if file.kind != "group":
                        yield name, _Place(Path(file.path), {}, format=one.format)

    def _request(self, wanted: Wanted) -> list[str]:
        if isinstance(wanted.what, str):
            return self._add(wanted.what, _Place(Path(), {}, format=wanted.format))
        content = self._files.read(wanted.what).content
        place = _Place(wanted.what, {}, format=wanted.format)
        if "group" in content and "class" not in content:
            return [self._group(_name(content, "group", wanted.what), content, place)]
        return [self._task(content, _name(content, "task", wanted.what), place)]

    def _content(self, file: IndexedFile) -> Mapping[str, Any]:
        return self._files.read(Path(file.path)).content

    def _add(self, name: str, place: _Place) -> list[str]:
        """A task, group or tag of the catalog; the names under which its tasks or the group are kept."""
        if name not in self._names.files:
            return [child for task in self._names.tags[name] for child in self._add(task, place)]
        file = self._names.files[name]
        content = self._content(file)
        here = place.within(Path(file.path))
        return [self._group(name, content, here) if file.kind == "group" else self._task(content, name, here)]

    def _group(self, name: str, content: Mapping[str, Any], place: _Place) -> str:
        label = place.labelled(name)
        if label in place.groups:
            raise TaskError(f"{place.path}: group cycle {' -> '.join((*place.groups, label))}")
        if len(place.groups) == _MOST_LEVELS:  # a member that includes the file it stands in, say
            raise TaskError(
                f"{place.path}: group {place.groups[0]} holds groups in more than {_MOST_LEVELS} levels; "
                "does one of its files include itself?"
            )
        pushed = {key: value for key, value in content.items() if key not in _GROUP_KEYS}
        inside = replace(place, overrides={**pushed, **place.overrides}, groups=(*place.groups, label))
        members = content.get("task") or []
        listed = members if isinstance(members, list) else [members]
        children = [child for member in listed for child in self._member(member, name, inside)]
        written = {key: value for key, value in content.items() if key in _GROUP_KEYS - {"task"}}
        if not children:
            raise TaskError(
                f"{place.path}, group {name}: `task` wants a list of tasks and groups; it has none"
            )
        written["children"] = tuple(dict.fromkeys(children))
        for kept in place.names(label):
            config = checked(GroupConfig, {**written, "group": kept}, f"{place.path}, group {name}")
            if place.format:
                config = group_in_format(config, place.format)
            if self._groups.setdefault(kept, config) == config:
                return kept
        raise _ambiguous("group", name, place)

    def _member(self, member: object, group: str, place: _Place) -> list[str]:
        """One entry of a group's `task` list: a name, or a mapping with `group` or `task`."""
        match member:
            case str():
                name, here = self._in_format(member, place)
                return self._add(self._known(name, group, place), here)
            case Mapping():
                written = self._files.merge(member, place.path).content
                if "group" in written:
                    return self._inner_group(written, group, place)
                return self._inner_task(written, group, place)
            case _:
                raise TaskError(
                    f"{place.path}, group {group}: {short_repr(member)} is no name of a task and no mapping"
                )

    def _inner_group(self, written: Mapping[str, Any], group: str, place: _Place) -> list[str]:
        name = _name(written, "group", place.path)
        known = self._names.files.get(name)
        if known is None or "task" in written:
            return [self._group(f"{group}::{name}", written, place)]
        own = {key: written[key] for key in ("group_alias", "aggregate_metric_list") if key in written}
        overrides = {key: value for key, value in written.items() if key not in {"group", *own}}
        here = replace(place, path=Path(known.path), overrides={**place.overrides, **overrides})
        return [self._group(name, {**self._content(known), **own}, here)]

    def _inner_task(self, written: Mapping[str, Any], group: str, place: _Place) -> list[str]:
        if "task" not in written:
            keys = ", ".join(map(str, written))
            raise TaskError(f"{place.path}, group {group}: a member needs `task` or `group`; it has {keys}")
        name, here = self._in_format(_name(written, "task", place.path), place)
        own = {key: value for key, value in written.items() if key != "task"}
        content = {**place.overrides, **own}
        if name in self._names or not _DATA_KEYS & content.keys():
            known = self._known(name, group, place, "and no `dataset_path` that would define it here")
            return self._add(known, replace(here, overrides=content))
        return [self._task(content, f"{group}::{name}", replace(here, overrides={}))]

    def _in_format(self, member: str, place: _Place) -> tuple[str, _Place]:
        """The task of a member such as `arc_easy@mcqa`, and its place; a format from above counts more."""
        if member in self._names or "@" not in member:
            return member, place
        name, _, chosen = member.rpartition("@")
        return name, replace(place, format=place.format or chosen)

    def _known(self, name: str, group: str, place: _Place, besides: str = "") -> str:
        if name not in self._names:
            said = f"there is no task, group or tag {name!r} {besides}".rstrip()
            like = nearest(name, self._names.all, MOST_NAMES)
            raise TaskError(f"{place.path}, group {group}: {said}{like}")
        return name

    def _task(self, content: Mapping[str, Any], name: str, place: _Place) -> str:
        """Keeps a task, under another name where a different one has its own already."""
        for kept in place.names(place.labelled(name)):
            task = self._task_file(content, kept, place)
            taken = self._tasks.get(kept) or self._asked.get(kept)
            if taken is None or taken.digest == task.digest:
                self._tasks.setdefault(kept, task)
                return kept
        raise _ambiguous("task", name, place)

    def _task_file(self, content: Mapping[str, Any], name: str, place: _Place) -> TaskFile:
        merged = {**content, **place.overrides, "task": name}
        definition = {key: value for key, value in merged.items() if key not in _CATALOG_KEYS}
        source = f"{place.path}, task {name}"
        config: TaskConfig | ClassConfig
        if "class" in definition:
            # Such a task is lm-eval's code too; raises where lm-eval is not installed.
            runs_on = lm_eval_version(source)
            config = checked(ClassConfig, definition, source)
            definition["runs on"] = runs_on
            if place.format:
                raise TaskError(f"{source}: a Python class asks in its own way; leave @{place.format} out")
        else:
            config = with_format(checked(TaskConfig, definition, source), place.format, source)
            # what they are is written in no file
            definition["@"] = {key: one.model_dump(mode="json") for key, one in config.formats.items()}
        canonical = self._canonical_keys(definition, source)
        return TaskFile(config, place.path, digest_of(canonical))

    def _canonical_keys(self, definition: Mapping[str, Any], source: str) -> Mapping[str, object]:
        canonical = {}
        for key, value in definition.items():
            try:
                canonical[f"{key!r}"] = self._canonical(value)
            except TaskError as error:
                raise TaskError(f"{source}: `{key}`: {error}") from error
        return canonical

    def _canonical(self, value: object) -> object:
        """`value` as JSON can say it, the same in every process; a function as its name and its code."""
        match value:
            case FunctionRef():
                kind = "!custom" if value.is_custom else "!function"
                return {kind: value.name, "code": self._code(value)}
            case Mapping():
                return {f"{key!r}": self._canonical(inner) for key, inner in value.items()}
            case list() | tuple():
                return [self._canonical(inner) for inner in value]
            case set():
                return {"!set": sorted(map(repr, value))}
            case str() | int() | float() | None:
                return value
            case _:  # a date, a time or bytes: all else that safe YAML has
                return {f"!{type(value).__name__}": repr(value)}

    def _code(self, ref: FunctionRef) -> str:
        module = (ref.folder, ref.module, ref.is_custom)
        if module not in self._codes:
            self._codes[module] = code_digest(ref)
        return self._codes[module]


def digest_of(definition: object) -> str:
    """sha256 of JSON values, whatever the order of their keys."""
    text = json.dumps(definition, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _name(content: Mapping[str, Any], key: str, path: Path) -> str:
    name = content.get(key)
    if not is_name(name):
        raise TaskError(f"{path}: `{key}` wants a name, not {short_repr(name)}")
    return name


def _ambiguous(kind: str, name: str, place: _Place) -> TaskError:
    return TaskError(f"{place.path}: another {kind} of this request is called {name} too; rename one of them")
