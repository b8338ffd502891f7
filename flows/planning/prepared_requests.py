"""What is asked of a model for a task: its requests on disk, the keys of their answers, and the answers.

`PreparedTask` and `Piece` are records, which steps hand on as JSON; `PreparedRequests` reads what they name.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

from backends.identity import drawn_digest, request_key
from backends.requests import Request, RequestKind, Response
from flows.planning import requests_file, step_keys
from flows.planning.plan import Plan
from flows.storage.step_files import File

T = TypeVar("T")

# Answers that are in memory at once.
_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of the requests file of a task, which is one of its files. skipped: rows between that are not
    part of it."""

    task: str
    files: Mapping[str, File]
    start: int
    stop: int
    skipped: Sequence[int] = ()

    @property
    def rows(self) -> list[int]:
        skipped = set(self.skipped)
        return [row for row in range(self.start, self.stop) if row not in skipped]


@dataclass(frozen=True, slots=True)
class PreparedTask:
    """A task whose requests are written.

    key: of the step that wrote them. files: the requests, and what is attached to them. digest: of all
    requests. requests, kinds, docs: how many there are. original: documents of the task, without a limit.
    made: the identity of documents that its own Python made.
    """

    task: str
    key: str
    files: Mapping[str, File]
    digest: str
    requests: int
    kinds: Mapping[RequestKind, int]
    docs: int
    original: int
    made: str
    num_fewshot: int

    @property
    def whole(self) -> Piece:
        """All its requests."""
        return Piece(self.task, self.files, 0, self.requests)


def cut_pieces(prepared: Iterable[PreparedTask], shard: range) -> list[Piece]:
    """The part of each task's requests that is in a shard of them all, one after the other."""
    pieces, first = [], 0
    for one in prepared:
        start, stop = max(shard.start - first, 0), min(shard.stop - first, one.requests)
        if start < stop:
            pieces.append(Piece(one.task, one.files, start, stop))
        first += one.requests
    return pieces


def answered(plan: Plan, keys: Sequence[str]) -> set[str]:
    """Those of the keys that have an answer in the store which the run takes."""
    found = plan.store.has_many(keys)
    return found - plan.store.cut_prompts(list(found)).keys() if plan.spec.truncate == "refuse" else found


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request of a document. key: of its answer."""

    doc_id: int
    index: int
    key: str
    request: Request


@dataclass(frozen=True, slots=True)
class PreparedRequests:
    """Requests of a task, in the order of its documents, and what the response store has for them.

    path: the requests file, on this machine. piece: which of its rows.
    """

    plan: Plan
    path: Path
    piece: Piece

    @classmethod
    def of(cls, plan: Plan, piece: Piece) -> Self:
        """The requests of a piece, their files fetched."""
        return cls(plan, plan.steps.fetch_all(piece.files)["requests"], piece)

    @classmethod
    def before_run(cls, plan: Plan, task: str) -> Self:
        """All requests of a task, written as the step `prepare` writes them if they are not there. Raises
        TaskError."""
        path = plan.steps.prepared / f"{step_keys.key_of(step_keys.prepare_parts(plan, task))}.parquet"
        if not path.exists():
            plan.tasks.prepare(task, path)
        return cls(plan, path, Piece(task, {}, 0, requests_file.count(path)))

    def __iter__(self) -> Iterator[PreparedRequest]:
        rows = self._kept(requests_file.read(self.path, self._range))
        for (doc_id, index, _, request), key in zip(rows, self.keys, strict=True):
            yield PreparedRequest(doc_id, index, key, request)

    @property
    def digests(self) -> list[str]:
        """What identifies the answer to each, but for the model: what it asks, and how its text is drawn."""
        digests = self._kept(requests_file.digests(self.path, self._range))
        if not self.plan.drawing:
            return list(digests)
        drawn = self._kept(requests_file.are_drawn(self.path, self._range))
        return [
            drawn_digest(digest, self.plan.drawing) if is_drawn else digest
            for digest, is_drawn in zip(digests, drawn, strict=True)
        ]

    @property
    def keys(self) -> list[str]:
        """The key of the answer to each; equal requests have one answer."""
        return [request_key(self.plan.model_key, digest) for digest in self.digests]

    @property
    def kinds(self) -> Counter[RequestKind]:
        """How many there are of each kind."""
        return Counter(self._kept(requests_file.kinds(self.path, self._range)))

    def only(self, keys: Collection[str]) -> Self:
        """Those that have one of the keys."""
        if not keys:
            return self._but(self._range)
        return self._but(row for row, key in zip(self.piece.rows, self.keys, strict=True) if key not in keys)

    def without(self, keys: Collection[str]) -> Self:
        """Those that have none of the keys."""
        if not keys:
            return self
        return self._but(row for row, key in zip(self.piece.rows, self.keys, strict=True) if key in keys)

    def missing(self) -> set[str]:
        """The keys of the answers that the store, which may be an earlier copy of itself, does not have."""
        keys = self.keys
        return set(keys) - answered(self.plan, keys)

    def answers(self, keys: Sequence[str]) -> Iterator[dict[str, Response]]:
        """The stored answers of some of the keys, a part at a time."""
        for start in range(0, len(keys), _CHUNK):
            found = self.plan.store.get_many(keys[start : start + _CHUNK])
            refuses = self.plan.spec.truncate == "refuse"
            yield {key: one for key, one in found.items() if not (refuses and one.prompt_cut)}

    @property
    def _range(self) -> range:
        return range(self.piece.start, self.piece.stop)

    def _kept(self, of_rows: Iterable[T]) -> Iterator[T]:
        """What the file has for rows of the range, without those that are skipped."""
        skipped = set(self.piece.skipped)
        return (one for row, one in zip(self._range, of_rows, strict=True) if row not in skipped)

    def _but(self, rows: Iterable[int]) -> Self:
        skipped = sorted({*self.piece.skipped, *rows})
        return replace(self, piece=replace(self.piece, skipped=skipped))
