"""Prepared requests on disk: a Parquet file with a row for each request, in the order of the documents.

What is attached to requests is in a file beside it, each attachment once, one after the other; a row says
where.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from pyarrow import parquet

from backends.chat import Chat
from backends.requests import NO_GENERATION, Attachment, Request, RequestKind
from backends.text.generation_settings import is_drawn
from flows.common.json_object import JsonObject
from flows.storage.files import atomic_path
from tasks_lib.prompts.request_builder import DocRequests

_ATTACHMENT = pa.struct(
    [
        ("kind", pa.string()),
        ("media_type", pa.string()),
        ("digest", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
    ]
)
SCHEMA = pa.schema(
    [
        ("doc_id", pa.int64()),
        ("index", pa.int32()),
        ("repeat", pa.int32()),
        ("draw", pa.int32()),
        ("kind", pa.dictionary(pa.int8(), pa.string())),
        # UTF-8; not Arrow's strings, which refuse the lone surrogates that documents may have.
        ("prompt", pa.large_binary()),
        # Whether the prompt is the JSON of a chat, and no text.
        ("is_chat", pa.bool_()),
        ("continuation", pa.large_binary()),
        ("generation", pa.dictionary(pa.int16(), pa.string())),
        ("digest", pa.string()),
        ("attachments", pa.list_(_ATTACHMENT)),
    ]
)
Row = JsonObject
Keep = Callable[[Attachment], Row]
_TEXTS = ("prompt", "continuation")
# What is in memory of a task's requests at once.
_DOCS_A_GROUP = 100


@dataclass(frozen=True, slots=True)
class Written:
    """docs, requests, kinds: how many there are. digest: of all requests' digests, in order."""

    docs: int
    requests: int
    kinds: dict[RequestKind, int]
    digest: str


def write(path: Path, asked: Iterable[DocRequests], repeats: int) -> Written:
    """Write the requests of documents, each `repeats` times; the file is whole or not there."""
    docs, kinds, sha = 0, Counter[RequestKind](), hashlib.sha256()
    with (
        atomic_path(path) as temporary,
        parquet.ParquetWriter(temporary, SCHEMA, compression="zstd") as file,
        _keeper(_attachments_path(path)) as keep,
    ):
        for group in _groups(list(_rows(one, repeats, keep)) for one in asked):
            rows = [row for own in group for row in own]
            for row in rows:
                sha.update(row["digest"].encode())
            file.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
            docs += len(group)
            kinds.update(row["kind"] for row in rows)
    return Written(docs, kinds.total(), dict(kinds), sha.hexdigest()[:32])


def files(path: Path) -> dict[str, Path]:
    """The requests file and, if any of its requests has one, the file of the attachments."""
    attachments = _attachments_path(path)
    return {"requests": path, **({"attachments": attachments} if attachments.exists() else {})}


def read(path: Path, rows: range | None = None) -> Iterator[tuple[int, int, str, Request]]:
    """Document, index, digest and request of the rows in a range, or of all."""
    generations: JsonObject = {"": NO_GENERATION}
    for row in _table(path, rows).to_pylist():
        how = row["generation"]
        if how not in generations:
            generations[how] = json.loads(how)
        text, continuation = (
            row[name].decode("utf-8", "surrogatepass") for name in ("prompt", "continuation")
        )
        prompt = Chat.from_json(text) if row["is_chat"] else text
        attached = tuple(_attachment(path, one) for one in row["attachments"])
        repeat, draw = row["repeat"], row["draw"]
        request = Request(row["kind"], prompt, continuation, generations[how], repeat, attached, draw)
        yield row["doc_id"], row["index"], row["digest"], request


def digests(path: Path, rows: range | None = None) -> list[str]:
    """The digests of the rows in a range, or of all."""
    column: list[str] = _table(path, rows, ["digest"])["digest"].to_pylist()
    return column


def are_drawn(path: Path, rows: range | None = None) -> list[bool]:
    """Of the rows in a range, or of all, whether the request is for a text that is drawn."""
    column = _table(path, rows, ["generation"])["generation"].to_pylist()
    drawn = {how: bool(how) and is_drawn(json.loads(how)) for how in set(column)}
    return [drawn[how] for how in column]


def kinds(path: Path, rows: range | None = None) -> list[RequestKind]:
    """The kinds of the requests of the rows in a range, or of all."""
    column: list[RequestKind] = _table(path, rows, ["kind"])["kind"].to_pylist()
    return column


def count(path: Path) -> int:
    """How many rows there are."""
    return int(parquet.read_metadata(path).num_rows)


def _table(path: Path, rows: range | None, columns: list[str] | None = None) -> pa.Table:
    """The rows of a range, reading only the row groups that they are in."""
    if rows is None:
        return parquet.read_table(path, columns=columns)
    with parquet.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        starts = list(accumulate(sizes, initial=0))
        groups = [
            group
            for group, (start, stop) in enumerate(pairwise(starts))
            if start < rows.stop and rows.start < stop
        ]
        table = file.read_row_groups(groups, columns=columns)
    return table.slice(rows.start - starts[groups[0]], len(rows)) if groups else table


def _groups(asked: Iterable[list[Row]]) -> Iterator[list[list[Row]]]:
    rest = iter(asked)
    while group := list(islice(rest, _DOCS_A_GROUP)):
        yield group


def _rows(asked: DocRequests, repeats: int, keep: Keep) -> Iterator[Row]:
    for index, request in enumerate(asked.requests):
        prompt, is_chat = request.prompt, False
        if isinstance(prompt, Chat):
            prompt, is_chat = prompt.to_json(), True
        for repeat in range(repeats):
            yield {
                "doc_id": asked.doc_id,
                "index": index,
                "repeat": repeat,
                "draw": request.draw,
                "kind": request.kind,
                "prompt": prompt.encode("utf-8", "surrogatepass"),
                "is_chat": is_chat,
                "continuation": request.continuation.encode("utf-8", "surrogatepass"),
                "generation": json.dumps(request.generation) if request.generation else "",
                "digest": replace(request, repeat=repeat).digest(),
                "attachments": [keep(attachment) for attachment in request.attachments],
            }


# Attachments


@contextmanager
def _keeper(path: Path) -> Iterator[Keep]:
    """What puts attachments into a file and says where they are; without any there is no file."""
    kept: dict[str, Row] = {}
    with ExitStack() as opened:

        @cache
        def file() -> BinaryIO:
            return opened.enter_context(opened.enter_context(atomic_path(path)).open("wb"))

        def keep(attachment: Attachment) -> Row:
            if attachment.digest not in kept:
                own = {name: getattr(attachment, name) for name in ("kind", "media_type", "digest")}
                offset = file().tell()
                size = file().write(attachment.load())
                kept[attachment.digest] = {**own, "offset": offset, "size": size}
            return kept[attachment.digest]

        yield keep


def _attachments_path(requests: Path) -> Path:
    return requests.with_suffix(".attachments")


def _attachment(requests: Path, row: Row) -> Attachment:
    load = partial(_load, _attachments_path(requests), row["offset"], row["size"])
    return Attachment(row["kind"], row["media_type"], row["digest"], load)


def _load(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)
