"""Leases on answers: of several runs that want the same ones at once, one asks and the others wait for it.

Who asks for a shard holds a lease on each answer that it lacks, until all are stored. A lease ends with its
holder: one of the same machine at once, any other when it was not seen for a while. A lease is no lock: where
one is lost (a process that stood still), a question may be asked twice, and the first answer stays.
"""

import threading
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import sqlalchemy as sa

from backends.store.database import Database
from backends.store.statements import INSERTS, NOW, chunks, rows_of
from backends.store.tables import ASKERS, LEASES
from backends.store.this_process import ProcessId

# How often a holder says that it is there.
BEAT_SECONDS = 5.0
# After so long without a word it is taken for gone. A process that waits for its turn, its disk or Python's
# lock is back sooner.
GONE_SECONDS = 30.0

# Answers that others ask for, each with the name of who does.
Others = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases of one store, for any number of threads. Raises BackendError as the store does."""

    database: Database
    process: ProcessId = field(default_factory=ProcessId.here)

    @contextmanager
    def held(self, keys: Collection[str]) -> Iterator[Others]:
        """Within the block nobody else asks for the answers of these keys, but for those that others ask for
        already: these are given.

        Whoever gets a lease looks again what is stored: another may have stored it just before.
        """
        asker = uuid.uuid4().hex
        try:
            others = self._taken(asker, sorted(keys))
            with self._seen_to_be_there(asker):
                yield others
        finally:
            # Where the database is away the lease ends by itself.
            self.database.attempt(partial(_remove, asker, None))

    def still_asking(self, askers: Collection[str]) -> set[str]:
        """Those that have neither ended nor gone."""
        return {asker for chunk in chunks(sorted(askers)) for asker in self._without_gone(chunk)}

    def _taken(self, asker: str, keys: list[str]) -> Others:
        """Take what is free, and what those left who are gone; what others have."""
        while True:
            others = self.database.write(partial(self._take, asker, keys))
            there = self.still_asking(set(others.values()))
            if there.issuperset(others.values()):
                return others

    def _take(self, asker: str, keys: list[str], connection: sa.Connection) -> Others:
        dialect = connection.dialect.name
        insert = INSERTS[dialect]
        own = {
            "asker": asker,
            "machine": self.process.machine,
            "pid": self.process.pid,
            "began": self.process.began,
        }
        connection.execute(insert(ASKERS).values(**own, seen=NOW[dialect]))
        connection.execute(insert(LEASES), [{"key": key, "asker": asker} for key in keys])
        held = sa.select(LEASES.c.key, LEASES.c.asker).where(LEASES.c.asker != asker)
        return {
            key: other
            for chunk in chunks(keys)
            for key, other in rows_of(held.where(LEASES.c.key.in_(chunk)), connection)
        }

    def _without_gone(self, askers: Collection[str]) -> set[str]:
        """Those that are there; the leases of the others are ended."""
        now = NOW[self.database.engine.dialect.name]
        columns = sa.select(ASKERS, (now - ASKERS.c.seen).label("silent"))
        rows = self.database.do(partial(rows_of, columns.where(ASKERS.c.asker.in_(askers))))
        seen = {row.asker: row.seen for row in rows}
        there = {
            row.asker
            for row in rows
            if row.silent < GONE_SECONDS and not ProcessId(row.machine, row.pid, row.began).has_ended
        }
        for asker in set(askers) - there:
            self.database.write(partial(_remove, asker, seen.get(asker)))
        return there

    @contextmanager
    def _seen_to_be_there(self, asker: str) -> Iterator[None]:
        """Within the block a thread says again and again that the asker is there."""
        ended = threading.Event()

        def beat() -> None:
            now = NOW[self.database.engine.dialect.name]
            seen = sa.update(ASKERS).where(ASKERS.c.asker == asker).values(seen=now)
            while not ended.wait(BEAT_SECONDS):
                self.database.attempt(lambda connection: connection.execute(seen))

        thread = threading.Thread(target=beat, name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()


def _remove(asker: str, seen: float | None, connection: sa.Connection) -> None:
    """End the leases of an asker. seen: only where it was not seen since."""
    is_asker = ASKERS.c.asker == asker
    which = is_asker if seen is None else sa.and_(is_asker, ASKERS.c.seen == seen)
    if connection.execute(sa.delete(ASKERS).where(which)).rowcount or seen is None:
        connection.execute(sa.delete(LEASES).where(LEASES.c.asker == asker))
