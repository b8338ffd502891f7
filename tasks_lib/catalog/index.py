"""Which tasks, groups and tags the files below a folder define, kept on disk between runs.

A full catalog has some 14,000 files. They are read once; afterwards a start only asks the file system which
of them changed (time in nanoseconds, and size) and reads those, with the files that include them.
Source of what counts: lm-evaluation-harness 0.4.13, `lm_eval/tasks/_index.py`: `**/*.yaml`, includes merged,
`class` before `group` before `task`.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

from backends.files import atomic_file
from tasks_lib.errors import TaskError
from tasks_lib.files.yaml_files import YamlFiles
from tasks_lib.value_text import short_repr

FileKind = Literal["task", "group", "python", "broken"]
Stamp = tuple[int, int]  # modification time in nanoseconds, size in bytes
Stamps = Mapping[str, Stamp | None]

_FORMAT = 1
_IGNORED = {"__pycache__", ".ipynb_checkpoints"}


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """What one YAML file defines.

    path, includes: absolute. kind: `python` for lm-eval's `class:` tasks, `broken` for a file that cannot be
    used. name: of the task or group; of a broken file, the reason.
    """

    path: str
    kind: FileKind
    name: str
    tags: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()


def read_index(root: Path, home: Path) -> list[IndexedFile]:
    """Every `*.yaml` below `root`, by path; what changed since the last call is read, the rest is known.

    home: where the index is kept, as `catalog/<digest of root>.json`. A file that cannot be used is there
    as `broken`. Errors: TaskError where `root` is no folder or the index cannot be written.
    """
    folder = os.path.realpath(root.expanduser())
    if not os.path.isdir(folder):
        raise TaskError(f"{root} is not a folder; --include-path wants a folder of task files")
    saved = home / "catalog" / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]}.json"
    before, known = _load(saved)
    now = {path: _stamp(path) for path in {path for file in known.values() for path in file.includes}}
    try:
        found = dict(_yaml_files(folder))
    except OSError as error:
        raise TaskError(f"{error.filename or root} cannot be looked through: {error.strerror}") from error
    now |= found

    reader = YamlFiles()
    files = [
        file
        if (file := known.get(path)) and file.kind != "broken" and _unchanged(file, before, now)
        else _describe(path, reader)
        for path in sorted(found)
    ]
    stamps = {path: now.get(path) or _stamp(path) for file in files for path in (file.path, *file.includes)}
    if stamps != before or files != list(known.values()):
        _save(saved, stamps, files)
    return files


def _yaml_files(folder: str) -> Iterator[tuple[str, Stamp]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _IGNORED:
                    yield from _yaml_files(entry.path)
            elif entry.name.endswith(".yaml") and entry.is_file():
                status = entry.stat()
                yield entry.path, (status.st_mtime_ns, status.st_size)


def _stamp(path: str) -> Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _unchanged(file: IndexedFile, before: Stamps, now: Stamps) -> bool:
    return before.get(file.path) == now[file.path] and all(
        before.get(path) == now[path] for path in file.includes
    )


def _describe(path: str, reader: YamlFiles) -> IndexedFile:
    """What a file defines. A file that cannot be used is a finding of the catalog, not its failure."""
    try:
        file = reader.read(Path(path))
        kind, name = _definition(path, file.content)
        tags = _tags(path, file.content.get("tag"))
    except TaskError as error:
        return IndexedFile(path, "broken", str(error))
    return IndexedFile(path, kind, name, tags, tuple(map(str, file.includes)))


def _definition(path: str, content: Mapping[str, Any]) -> tuple[FileKind, str]:
    kinds: Mapping[str, FileKind] = {"class": "python", "group": "group", "task": "task"}
    kind = next((kind for key, kind in kinds.items() if key in content), None)
    if kind is None:
        raise TaskError(f"{path}: names neither a `task` nor a `group`")
    key = "group" if kind == "group" else "task"
    name = content.get(key, content.get("group"))
    if not is_name(name):
        raise TaskError(f"{path}: `{key}` wants a name, not {short_repr(name)}")
    return kind, name


def is_name(value: object) -> TypeGuard[str]:
    """Whether a task or group can be called this: one line of text."""
    return isinstance(value, str) and value != "" and value.isprintable()


def _tags(path: str, tags: object) -> tuple[str, ...]:
    listed = tags if isinstance(tags, list) else [tags] if tags else []
    if not all(isinstance(tag, str) for tag in listed):
        raise TaskError(f"{path}: `tag` wants a name or a list of names, not {short_repr(tags)}")
    return tuple(listed)


def _load(saved: Path) -> tuple[dict[str, Stamp | None], dict[str, IndexedFile]]:
    """The stamps and files of the last call; nothing where there was none, or of another format."""
    try:
        data = json.loads(saved.read_bytes())
        if data["format"] != _FORMAT:
            return {}, {}
        stamps = {path: stamp and (stamp[0], stamp[1]) for path, stamp in data["stamps"].items()}
        files = {
            path: IndexedFile(path, kind, name, tuple(tags), tuple(includes))
            for path, kind, name, tags, includes in data["files"]
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, {}
    return stamps, files


def _save(saved: Path, stamps: Stamps, files: Iterable[IndexedFile]) -> None:
    rows = [(file.path, file.kind, file.name, file.tags, file.includes) for file in files]
    text = json.dumps({"format": _FORMAT, "stamps": stamps, "files": rows}, separators=(",", ":"))
    try:
        with atomic_file(saved) as temporary:
            temporary.write_text(text)
    except OSError as error:
        raise TaskError(f"the task index cannot be written to {saved}: {error.strerror}") from error
