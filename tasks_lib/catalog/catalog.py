"""The catalog: every task, group and tag there is, and the way from a name to its definition."""

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import filter as matching
from functools import cached_property
from pathlib import Path
from typing import Literal

from metrics.errors import nearest
from tasks_lib.catalog.index import IndexedFile, read_index
from tasks_lib.catalog.selection import Names, Selection, Selector, Wanted
from tasks_lib.code.trusted_functions import STARTER, installed_catalog
from tasks_lib.errors import TaskError
from tasks_lib.files.validation import MOST_NAMES


@dataclass(frozen=True, slots=True)
class Entry:
    """A name that can be asked for. file: where it is defined, absolute; None for a tag."""

    name: str
    kind: Literal["task", "group", "tag"]
    file: str | None

    @property
    def path(self) -> Path | None:
        """`file` as a path; there are some 14,000 of them, and few are looked at."""
        return Path(self.file) if self.file else None


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A `*.yaml` below a root that defines nothing. reason: why, with the file and, where known, the line."""

    path: Path
    reason: str

    def mentions(self, name: str) -> bool:
        """Whether the file is the one that was to define `name`, as far as a file that is broken can say."""
        definition = rb"^(task|group):\s*['\"]?" + re.escape(os.fsencode(name)) + rb"['\"]?\s*$"
        try:
            return self.path.stem == name or bool(re.search(definition, self.path.read_bytes(), re.MULTILINE))
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class _View:
    names: Names
    broken: tuple[BrokenFile, ...]
    warnings: Mapping[str, Sequence[str]]


class Catalog:
    """The task files of some folders, as they are on disk when the catalog is first asked.

    roots: folders of task files; what a later one defines replaces what an earlier one does.
    home: where the index of each root is kept between runs.
    """

    def __init__(self, roots: Sequence[Path], home: Path) -> None:
        self._roots = tuple(roots)
        self._home = home

    @classmethod
    def standard(cls, include_paths: Sequence[Path], home: Path) -> "Catalog":
        """The starter tasks, lm-eval's where it is installed, and the user's folders."""
        installed = installed_catalog()
        return cls([STARTER, *([installed] if installed else []), *include_paths], home)

    @property
    def broken(self) -> tuple[BrokenFile, ...]:
        """The files that define nothing, by root and path."""
        return self._view.broken

    @property
    def warnings(self) -> tuple[str, ...]:
        """The names that two files define, a line each with the file that counts."""
        return tuple(itertools.chain(*self._view.warnings.values()))

    def entries(self, pattern: str | None = None) -> list[Entry]:
        """Tasks, groups and tags by name; pattern: as in a shell, `mmlu*`.

        Errors: TaskError where a root is no folder.
        """
        names = self._view.names
        chosen = sorted(names.all if pattern is None else matching(names.all, pattern))
        return [_entry(name, names.files.get(name)) for name in chosen]

    def select(self, requests: Sequence[str]) -> Selection:
        """The tasks and groups that names, patterns and paths of task or group files stand for.

        A name means a task or group before a tag. A group keeps the order of its file, a tag or pattern is
        sorted by name. After any of them `@` and a format may stand (`tasks_lib.files.formats`). Only the
        files of what is selected are read in full. Errors: TaskError for names that do not exist (all of
        them), for a file that says something wrong, and for one that needs what is not supported.
        """
        resolved: list[Wanted] = []
        unknown: list[str] = []
        for request in requests:
            found = self._resolve(request)
            resolved += found
            if not found:
                unknown.append(self._unknown(request))
        if unknown:
            raise TaskError("\n".join(unknown))
        selection = Selector(self._view.names).select(resolved)
        ambiguous = self._warnings_of((*selection.tasks, *selection.groups))
        return replace(selection, warnings=(*ambiguous, *selection.warnings))

    def _warnings_of(self, names: Iterable[str]) -> list[str]:
        """What is said of the names in the catalog of some tasks and groups."""
        known = dict.fromkeys(name.rpartition("::")[2] for name in names)
        return [line for name in known for line in self._view.warnings.get(name, ())]

    @cached_property
    def _view(self) -> _View:
        """The roots as one, the later over the earlier."""
        files: dict[str, IndexedFile] = {}
        broken: list[BrokenFile] = []
        warnings: dict[str, list[str]] = defaultdict(list)
        for root in self._roots:
            first: dict[str, IndexedFile] = {}
            for file in read_index(root, self._home):
                if file.kind == "broken":
                    broken.append(BrokenFile(Path(file.path), file.name))
                elif file is not (counts := first.setdefault(file.name, file)):
                    warnings[file.name].append(
                        f"{file.name}: {counts.path} counts, {file.path} defines it once more"
                    )
            for name in first.keys() & files.keys():
                warnings[name].append(f"{name}: {first[name].path} counts, it replaces {files[name].path}")
            files |= first
        return _View(Names(files, _tags(files)), tuple(broken), dict(warnings))

    def _resolve(self, request: str) -> list[Wanted]:
        """What a request means, nothing where there is no such task, group, tag or file."""
        if found := self._found(request):
            return [Wanted(one) for one in found]
        name, _, chosen = request.rpartition("@")
        return [Wanted(one, chosen) for one in self._found(name)] if name and chosen else []

    def _found(self, request: str) -> Sequence[str | Path]:
        if request in self._view.names:
            return [request]
        if path := _task_file(request):
            return [path]
        return sorted(matching(self._view.names.all, request))

    def _unknown(self, request: str) -> str:
        reasons = [file.reason for file in self._view.broken if file.mentions(request)]
        if reasons:
            return f"task {request!r} cannot be used: {reasons[0]}"
        like = nearest(request.partition("@")[0], self._view.names.all, MOST_NAMES)
        return f"there is no task, group, tag or file {request!r}{like}"


def _tags(files: Mapping[str, IndexedFile]) -> dict[str, list[str]]:
    """The tasks of each tag, over all roots; a group's own tags are none."""
    tags: dict[str, list[str]] = {}
    for name in sorted(files):
        if files[name].kind != "group":
            for tag in dict.fromkeys(files[name].tags):
                tags.setdefault(tag, []).append(name)
    return tags


def _entry(name: str, file: IndexedFile | None) -> Entry:
    if file is None:
        return Entry(name, "tag", None)
    return Entry(name, "group" if file.kind == "group" else "task", file.path)


def _task_file(request: str) -> Path | None:
    """The file a request is the path of."""
    path = os.path.expanduser(request)
    if os.path.isdir(path):
        raise TaskError(f"{request} is a folder; name a file in it, or add it with --include-path {request}")
    return Path(path).resolve() if os.path.isfile(path) else None
