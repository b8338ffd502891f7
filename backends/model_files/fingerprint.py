"""What identifies a model's files: digests by content, remembered as long as a file is untouched."""

import fnmatch
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from backends.files import sha256_of
from backends.model_files.other_files import other_files
from backends.model_files.source import ModelSource

# Raise when the same model, request and options would get another answer than before.
BEHAVIOUR = "1"

PARTS: Mapping[str, tuple[str, ...]] = {
    "config": ("config.json", "generation_config.json"),
    "tokenizer": (
        "tokenizer*.json",
        "tokenizer.model",
        "vocab*",
        "merges*",
        "special_tokens_map.json",
        "added_tokens.json",
    ),
    "chat_template": ("chat_template*.jinja", "chat_template.json", "additional_chat_templates/*.jinja"),
    "weights": ("*.safetensors", "*.bin", "*.index.json"),
}
CODE = ("*.py",)
ADAPTER = ("adapter_config.json", "adapter_model*")

SCHEMA = """create table if not exists digests (
    path text primary key, size integer, mtime_ns integer, ctime_ns integer, inode integer, sha256 text)"""


class Digests:
    """SHA-256 of files, remembered in `<home>/digests.sqlite` by path, size, times and inode.

    Any number of processes may share a home. Without one nothing is remembered.
    """

    def __init__(self, home: Path | None) -> None:
        self.home = home

    def of(self, path: Path) -> str:
        """The file's digest in hex; the file is only read when it is not the one that was remembered."""
        if self.home is None:
            return sha256_of(path)
        stat = path.stat()
        state = (str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        with self._open(self.home) as memory:
            known = memory.execute(
                "select sha256 from digests where (path, size, mtime_ns, ctime_ns, inode) = (?, ?, ?, ?, ?)",
                state,
            ).fetchone()
        if known is not None:
            return str(known[0])
        digest = sha256_of(path)
        with self._open(self.home) as memory:
            memory.execute("insert or replace into digests values (?, ?, ?, ?, ?, ?)", (*state, digest))
        return digest

    @staticmethod
    @contextmanager
    def _open(home: Path) -> Iterator[sqlite3.Connection]:
        home.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(home / "digests.sqlite", timeout=60)) as memory, memory:
            memory.execute(SCHEMA)
            yield memory


def model_identity(source: ModelSource, digests: Digests, *, with_code: bool) -> dict[str, str]:
    """What the model's files are: the commit of a hub model, else a digest for each part of the folder.

    with_code: whether Python files of the model take part in its answers.
    """
    if source.commit is not None:
        return {"commit": source.commit} | ({"code": source.commit} if with_code else {})
    folder, parts = source.folder, dict(PARTS) | ({"code": CODE} if with_code else {})
    known = {part: digest_of(folder, patterns, digests) for part, patterns in parts.items()}
    more = _other_files(folder, digests, with_code=with_code)
    return {**known, "other files": more} if more else known


def tokenizer_identity(source: ModelSource, digests: Digests, *, with_code: bool) -> str:
    """What decides the tokens and how chats are rendered, as `model_identity` has it of a whole model."""
    if source.commit is not None:
        return source.commit
    known = digest_of(source.folder, (*PARTS["tokenizer"], *PARTS["chat_template"]), digests)
    more = _other_files(source.folder, digests, with_code=with_code)
    return hashlib.sha256(f"{known} {more}".encode()).hexdigest()[:32] if more else known


def adapter_identity(source: ModelSource, digests: Digests) -> str:
    """What the adapter's files are: its commit or a digest of its configuration and weights."""
    return source.commit or digest_of(source.folder, ADAPTER, digests)


def digest_of(folder: Path, patterns: tuple[str, ...], digests: Digests) -> str:
    """One digest over the names and contents of the files that match, wherever the folder is."""
    return _digest(folder, [name for name in _names(folder) if _matches_any(name, patterns)], digests)


def _other_files(folder: Path, digests: Digests, *, with_code: bool) -> str | None:
    """One digest over what a tokenizer may read and no part has; None where there is nothing."""
    known = [pattern for patterns in (*PARTS.values(), CODE if with_code else ()) for pattern in patterns]
    rest = [name for name in _names(folder) if not _matches_any(name, known)]
    others = other_files(rest, with_code=with_code)
    return _digest(folder, others, digests) if others else None


def _digest(folder: Path, names: Sequence[str], digests: Digests) -> str:
    content = [(name, digests.of(folder / name)) for name in names]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _names(folder: Path) -> list[str]:
    """Of all files in the folder, as they stand below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def declared_dtype(config: Mapping[str, Any]) -> str:
    """The dtype a `config.json` names, as `auto` resolves it; `checkpoint` if it names none."""
    for part in (config, config.get("text_config") or {}):
        dtype = part.get("dtype") or part.get("torch_dtype")
        if dtype:
            return str(dtype).removeprefix("torch.")
    return "checkpoint"


def _matches_any(name: str, patterns: Iterable[str]) -> bool:
    return any(_matches(name, pattern) for pattern in patterns)


def _matches(name: str, pattern: str) -> bool:
    """Whether a relative path matches, folder by folder: `*.bin` is not a file of a subfolder."""
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)
