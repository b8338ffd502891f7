"""The response store: every answer that was paid for, found again by its key.

One table over SQLAlchemy Core. Embedded it is a SQLite file, in WAL mode with `synchronous=FULL`, so that
what `put_many` has returned from survives a killed process and a lost power supply; the same code works on
PostgreSQL. Nothing is ever deleted, and the first answer of a key stays, but for one that may not stand by
today's rules (`backends.answer_faults`) or is damaged: it counts as missing, and the first that may replaces
it.
"""

import logging
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from backends.answer_faults import logprob_fault, may_not_stand, says_nothing_after_thinking
from backends.errors import BackendError
from backends.requests import Response
from backends.retrying import PATIENT, Patience
from backends.store.answerers import Answerer, PendingCounts, answerers_of
from backends.store.database import (
    Database,
    check_not_anothers,
    connect,
    explained,
    initialise,
    make_private,
    shown,
)
from backends.store.leases import Leases
from backends.store.payload import Codec
from backends.store.statements import ADDITIONS, INSERTS, chunks, rows_of
from backends.store.tables import ANSWERERS, CONFIRMED, CUT_PROMPTS, META, METADATA, RESPONSES, SCHEMA_VERSION
from backends.store.tried_models import TriedModels

log = logging.getLogger("assay")

T = TypeVar("T")
Rows = Sequence[Mapping[str, Any]]

# What is worth keeping for good: asking again would give the same. A failure may pass, a budget may grow.
STORED = frozenset({"answer", "truncated", "refused"})

_PAYLOADS = sa.select(RESPONSES.c.key, RESPONSES.c.payload)


class ResponseStore:
    """Responses by request key (see `backends.identity.request_key`).

    Safe for several threads and several processes at once, also while the store is being created. Every
    method raises BackendError, naming the store, when the database refuses: a folder that cannot be
    written, a full disk, a file that is no store. One of PostgreSQL that goes away is waited for first.

    identity: a uuid made with the store; whatever is cached because its answers are here depends on it.
    leases: who is asking for what just now.
    tried_models: whether answers of earlier versions may stand.
    """

    def __init__(self, engine: sa.Engine, identity: str, patience: Patience) -> None:
        self._database = Database(engine, patience)
        self._where = shown(engine.url)
        self._insert = INSERTS[engine.dialect.name]
        self._count_answerers = ADDITIONS[engine.dialect.name](ANSWERERS)
        self._local = threading.local()
        self._counts = PendingCounts()
        self._damaged = set[str]()
        self.identity = identity
        self.leases = Leases(self._database)
        self.tried_models = TriedModels(self._database)

    @classmethod
    def open(cls, place: str | Path, patience: Patience = PATIENT) -> Self:
        """Open the store at a path or an SQLAlchemy URL; create it, and its folder, if there is none.

        patience: how long a database that goes away is waited for; one that is away now is not.
        """
        engine = connect(place)
        try:
            return cls(engine, _identity(engine), patience)
        except BaseException:
            engine.dispose()
            raise

    def get_many(self, keys: Sequence[str]) -> dict[str, Response]:
        """The responses there are, by key."""
        found = dict(self._read(self._payloads(keys), self._codec().decode))
        for key in self._unfit(found):
            del found[key]
        for key, tokens in self.cut_prompts(list(found)).items():
            found[key] = replace(found[key], prompt_cut=tokens)
        return found

    def cut_prompts(self, keys: Sequence[str]) -> dict[str, int]:
        """Those of the keys whose answers are to prompts that were cut, with the tokens that were cut off."""
        columns = sa.select(CUT_PROMPTS.c.key, CUT_PROMPTS.c.tokens)
        found: dict[str, int] = {}
        for chunk in chunks(keys):
            rows = self._database.do(partial(rows_of, columns.where(CUT_PROMPTS.c.key.in_(chunk))))
            found |= {row.key: row.tokens for row in rows}
        return found

    def has_many(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that have a response."""
        found = dict(self._read(self._payloads(keys), self._if_suspect))
        return found.keys() - self._unfit({key: what for key, what in found.items() if what})

    def put_many(self, items: Iterable[tuple[str, Response]], model: str) -> None:
        """Store responses under their keys, all or none, durable when this returns.

        A key that has a response already keeps it: where another run may have been first, read with
        `get_many` what counts. model: the model's key, kept beside each response for whoever looks into the
        store. Raises ValueError for a response that is no final answer (failed, skipped) or can be none.
        """
        responses = dict(reversed(list(items)))
        rows = [
            {"key": key, "model": model, "payload": self._encoded(key, what)}
            # In one order for everybody: PostgreSQL's row locks of two runs could wait for each other.
            for key, what in sorted(responses.items(), key=itemgetter(0))
        ]
        if not rows:
            return
        confirmed = [{"key": key} for key, what in responses.items() if says_nothing_after_thinking(what)]
        answerers = _answerer_rows(self._counts.add(model, answerers_of(responses.values())))
        cut = [{"key": key, "tokens": what.prompt_cut} for key, what in responses.items() if what.prompt_cut]
        beside = (sorted(confirmed, key=itemgetter("key")), sorted(cut, key=itemgetter("key")))
        self._database.do(partial(self._put, rows, *beside, answerers))

    def answerers(self, model: str) -> Counter[Answerer]:
        """Who gave the answers of a model, and how many each: of those that were stored since this is noted,
        and that `note_answerers` was told of."""
        unwritten = self._write_counts()
        columns = sa.select(ANSWERERS).where(ANSWERERS.c.model == model)
        rows = self._database.do(partial(rows_of, columns))
        found = {Answerer(row.asked, row.name, row.system_fingerprint): row.answers for row in rows}
        return Counter(found) + Counter({one: count for (of, one), count in unwritten.items() if of == model})

    def _write_counts(self) -> Mapping[tuple[str, Answerer], int]:
        """Write the counts that are due or not; those that cannot be written, as on a full disk, stay."""
        counts = self._counts.take()
        if pending := _answerer_rows(counts):
            try:
                self._database.do(lambda connection: connection.execute(self._count_answerers, pending))
            except BackendError:
                self._counts.put_back(counts)
                return counts
        return {}

    def note_answerers(self, model: str, found: Counter[Answerer]) -> None:
        """Take note of who gave answers of a model that an earlier version stored."""
        if rows := _answerer_rows({(model, one): count for one, count in found.items()}):
            self._database.do(lambda connection: connection.execute(self._insert(ANSWERERS), rows))

    def _put(
        self, rows: Rows, confirmed: Rows, cut: Rows, answerers: Rows, connection: sa.Connection
    ) -> None:
        stored = connection.execute(self._insert(RESPONSES), rows).rowcount
        if stored != len(rows):
            self._replace_unfit(rows, connection)
        if confirmed:
            connection.execute(self._insert(CONFIRMED), confirmed)
        if cut:
            connection.execute(self._insert(CUT_PROMPTS), cut)
        if answerers:
            connection.execute(self._count_answerers, answerers)

    def _replace_unfit(self, rows: Rows, connection: sa.Connection) -> None:
        """Put responses in the place of those that may not stand, or are damaged."""
        payloads = dict(
            row
            for chunk in chunks([row["key"] for row in rows])
            for row in rows_of(_PAYLOADS.where(RESPONSES.c.key.in_(chunk)), connection)
        )
        whole = dict(self._read(payloads.items(), self._if_suspect))
        suspects = {key: what for key, what in whole.items() if what}
        unfit = _unfit(suspects, partial(_confirmed, connection)) | (payloads.keys() - whole.keys())
        for row in rows:
            if row["key"] in unfit:
                before = sa.and_(RESPONSES.c.key == row["key"], RESPONSES.c.payload == payloads[row["key"]])
                connection.execute(sa.update(RESPONSES).where(before).values(row))

    @property
    def is_file(self) -> bool:
        """Whether it is a file, for the processes of one machine."""
        return self._database.is_file

    def count(self) -> int:
        """How many responses are stored."""
        count = sa.select(sa.func.count()).select_from(RESPONSES)
        return self._database.do(lambda connection: connection.execute(count).scalar_one())

    def close(self) -> None:
        """Give the connections back, with all answers in the one file; the store can be opened again."""
        if pending := _answerer_rows(self._counts.take()):
            self._database.attempt(lambda connection: connection.execute(self._count_answerers, pending))
        self._database.gather()
        self._database.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _payloads(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for chunk in chunks(keys):
            yield from self._database.do(partial(rows_of, _PAYLOADS.where(RESPONSES.c.key.in_(chunk))))

    def _unfit(self, responses: Mapping[str, Response]) -> set[str]:
        return _unfit(
            responses, lambda keys: self._database.do(lambda connection: _confirmed(connection, keys))
        )

    def _encoded(self, key: str, response: Response) -> bytes:
        if response.status not in STORED:
            raise ValueError(
                f"response {key} is {response.status}: it may still be answered, and is not stored"
            )
        if response.logprob is not None and (fault := logprob_fault(response.logprob)):
            raise ValueError(f"response {key} is no answer: {fault}")
        return self._codec().encode(response)

    def _read(
        self, payloads: Iterable[tuple[str, bytes]], read: Callable[[bytes], T]
    ) -> Iterator[tuple[str, T]]:
        """What is read of payloads, by key. Those that are damaged count as missing, which is said."""
        damaged = set()
        for key, payload in payloads:
            try:
                yield key, read(payload)
            except (ValueError, TypeError):
                damaged.add(key)
        if new := damaged - self._damaged:
            self._damaged |= new
            log.warning(
                "%s: stored answers that are damaged, and count as missing: %d", self._where, len(new)
            )

    def _if_suspect(self, payload: bytes) -> Response | None:
        """The response of a payload, where it may be one that may not stand."""
        codec = self._codec()
        return codec.decode(payload) if codec.looks_unfit(payload) else None

    def _codec(self) -> Codec:
        if not hasattr(self._local, "codec"):
            self._local.codec = Codec()
        codec: Codec = self._local.codec
        return codec


def _identity(engine: sa.Engine) -> str:
    first = [{"name": "schema", "value": SCHEMA_VERSION}, {"name": "identity", "value": str(uuid.uuid4())}]
    make_private(engine)
    check_not_anothers(engine, META)
    initialise(engine, METADATA, INSERTS[engine.dialect.name](META), first)
    with explained(shown(engine.url)), engine.begin() as connection:
        meta = {row.name: row.value for row in connection.execute(sa.select(META))}
    if meta["schema"] != SCHEMA_VERSION:
        raise BackendError(
            f"response store {shown(engine.url)} has schema {meta['schema']}, this version reads "
            f"{SCHEMA_VERSION}: use another store, or the version of Assay that wrote it"
        )
    return str(meta["identity"])


def _answerer_rows(counts: Mapping[tuple[str, Answerer], int]) -> Rows:
    """In one order for everybody, as the responses are."""
    return [
        {"model": model, **asdict(one), "answers": count} for (model, one), count in sorted(counts.items())
    ]


def _unfit(responses: Mapping[str, Response], confirmed: Callable[[list[str]], set[str]]) -> set[str]:
    """Those that may not stand. confirmed: gives those of some keys whose responses do, whatever they say."""
    unfit = {key for key, response in responses.items() if may_not_stand(response)}
    doubtful = [key for key in unfit if says_nothing_after_thinking(responses[key])]
    return unfit - confirmed(doubtful) if doubtful else unfit


def _confirmed(connection: sa.Connection, keys: Sequence[str]) -> set[str]:
    column = sa.select(CONFIRMED.c.key)
    return {
        key
        for chunk in chunks(keys)
        for (key,) in rows_of(column.where(CONFIRMED.c.key.in_(chunk)), connection)
    }
