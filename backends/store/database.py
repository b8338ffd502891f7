"""The database under the response store: how it is opened, created by one of many, and explained."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from backends.errors import BackendError
from backends.retrying import Patience, Retrier, tried

T = TypeVar("T")

# Long enough for another process to write a large batch to a slow disk, short enough to be noticed.
_BUSY_SECONDS = 120.0
# What others do to a store in between is done by then, or done again by themselves.
_GATHERING_SECONDS = 2.0
# Another one that creates the store is done soon.
_CREATION = Patience(seconds=30.0, first=0.02, longest=0.1)
# Whoever creates a store holds this lock of its database; any number that others do not use.
_CREATION_LOCK = 0xA55A57
# A host that does not answer at all; libpq would wait for ever.
_CONNECT = {"postgresql": {"connect_timeout": 10}}

# The way out, by the start of SQLite's error name.
_WAYS_OUT = {
    "SQLITE_FULL": "the disk is full: free some space and start again, nothing that was stored is lost",
    "SQLITE_IOERR": "the disk refuses (full, over a quota or failing): nothing that was stored is lost",
    "SQLITE_CANTOPEN": "the file cannot be opened: is it a folder, or may you not write there?",
    "SQLITE_READONLY": "the file or its folder is read-only: choose another place",
    "SQLITE_PERM": "you may not write there: choose another place",
    "SQLITE_NOTADB": "the file is not a response store: choose another path",
    "SQLITE_CORRUPT": "the file is damaged: move it away and run again",
    "SQLITE_BUSY": f"another process has held it for {_BUSY_SECONDS:.0f} seconds",
    "SQLITE_PROTOCOL": "locking does not work there: a store must lie on a local disk",
}


def connect(place: str | Path) -> sa.Engine:
    """An engine for a path (SQLite) or a URL of SQLite or PostgreSQL.

    The folder of a path is made; nothing else is written or connected to yet.
    """
    url = _url(place)
    try:
        engine = sa.create_engine(url, connect_args=_CONNECT.get(url.get_backend_name(), {}))
    except ModuleNotFoundError as error:
        raise BackendError(
            f"response store {shown(url)} needs the package {error.name}: pip install 'assay-eval[postgres]'"
        ) from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
    return engine


class Database:
    """Transactions on a store's database, tried again while it is away for as long as `patience` says. All
    raise BackendError, naming the store, when it refuses."""

    def __init__(self, engine: sa.Engine, patience: Patience) -> None:
        self.engine = engine
        self._writer = engine.execution_options(assay_begin="BEGIN IMMEDIATE")
        self._without_transaction = engine.execution_options(assay_begin=None)
        self._try = Retrier(patience, is_away)

    @property
    def is_file(self) -> bool:
        """Whether it is a file, for the processes of one machine."""
        return self.engine.dialect.name == "sqlite"

    def do(self, work: Callable[[sa.Connection], T]) -> T:
        """Do in one transaction what can be done twice."""
        with explained(shown(self.engine.url)):
            return self._try(partial(_within, self.engine, work))

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """`do` what reads before it writes: SQLite gives it its turn at the beginning."""
        with explained(shown(self.engine.url)):
            return self._try(partial(_within, self._writer, work))

    def attempt(self, work: Callable[[sa.Connection], object]) -> None:
        """Do, once, what nobody needs where the database is away or refuses."""
        with suppress(exc.SQLAlchemyError):
            _within(self._writer, work)

    def gather(self) -> None:
        """Have all that was written in the one file, where it is a file: what is newest stands beside it
        (`-wal`) until nobody has it open. Others that are at work are not waited for; their end does it."""
        if not self.is_file:
            return
        with suppress(exc.SQLAlchemyError), self._without_transaction.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_GATHERING_SECONDS * 1000:.0f}")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.invalidate()  # with its time-out


def _within(engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


def make_private(engine: sa.Engine) -> None:
    """Make a new SQLite file for its owner alone, whose log then is so, too; one that is there stays."""
    path = engine.url.database
    if engine.dialect.name != "sqlite" or not path or path == ":memory:" or path.startswith("file:"):
        return
    with suppress(OSError):  # it is there, or SQLite will say why it cannot be
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def initialise(
    engine: sa.Engine, tables: sa.MetaData, insert: sa.Insert, rows: Sequence[Mapping[str, str]]
) -> None:
    """Create what is missing of the tables and rows; of several processes at once, one does.

    Raises BackendError where the database cannot be a store.
    """
    writer = engine.execution_options(assay_begin="BEGIN IMMEDIATE")

    def create() -> None:
        _use_write_ahead_log(engine)
        with writer.begin() as connection:
            _wait_for_turn(connection)
            for table in tables.sorted_tables:
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            connection.execute(insert, rows)

    with explained(shown(engine.url)):
        tried(create, _CREATION, _lost_a_race)


def check_not_anothers(engine: sa.Engine, table: sa.Table) -> None:
    """Raise BackendError where a SQLite file is of another program: it has tables, and not this one."""
    if engine.dialect.name != "sqlite":
        return
    with explained(shown(engine.url)), engine.begin() as connection:
        names = sa.inspect(connection).get_table_names()
    if names and table.name not in names:
        raise BackendError(
            f"response store {shown(engine.url)}: the file is a database of another program, with the table "
            f"{names[0]!r}: choose another path"
        )


def shown(url: sa.URL) -> str:
    """A place as the user knows it: SQLite's path, or the URL without its password and options."""
    if url.drivername == "sqlite":
        return url.database or ""
    return url.set(query={}).render_as_string(hide_password=True)


def is_away(error: BaseException) -> bool:
    """Whether a server was not reached, went away, or can do no more for now; a file never is."""
    if not isinstance(error, exc.DBAPIError) or _sqlite_name(error):
        return False
    return error.connection_invalidated or isinstance(error, exc.OperationalError | exc.InterfaceError)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what the database refuses into a BackendError that names the store and the way out."""
    try:
        yield
    except exc.DBAPIError as error:
        name = _sqlite_name(error)
        ways = (way for start, way in _WAYS_OUT.items() if name.startswith(start))
        said = " ".join(str(error.orig).split())
        raise BackendError(f"response store {where}: {next(ways, said)}") from error
    except exc.TimeoutError as error:
        raise BackendError(f"response store {where}: too many threads wait for a connection") from error


def _url(place: str | Path) -> sa.URL:
    if "://" in str(place):
        return _checked_url(str(place))
    path = Path(place).expanduser().absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(f"response store {path}: its folder cannot be made ({error.strerror})") from error
    return sa.URL.create("sqlite", database=str(path))


def _checked_url(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError) as error:
        # The text may hold a password, so it is not repeated.
        raise BackendError("the response store's URL is not dialect://user@host/name") from error
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg", "postgresql+psycopg2"):
        raise BackendError(f"a response store's URL starts with sqlite:// or postgresql://, not {shown(url)}")
    return url


def _set_up(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # sqlite3 would begin transactions of its own, too late
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000:.0f}")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: sa.Connection) -> None:
    if statement := connection.get_execution_options().get("assay_begin", "BEGIN"):
        connection.exec_driver_sql(statement)


def _use_write_ahead_log(engine: sa.Engine) -> None:
    """Switch a SQLite file to WAL, which it then stays in. It may say "locked" at once, without waiting."""
    if engine.dialect.name != "sqlite":
        return
    with engine.execution_options(assay_begin=None).connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar_one()
    if mode != "wal":
        raise BackendError(
            f"response store {shown(engine.url)}: no write-ahead log there; use a file on a local disk"
        )


def _wait_for_turn(connection: sa.Connection) -> None:
    """PostgreSQL's "create if not exists" may fail where two do it at once; SQLite waits as it is."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION_LOCK)))


def _lost_a_race(error: BaseException) -> bool:
    """Whether another process was creating the same SQLite file."""
    return isinstance(error, exc.DBAPIError) and _sqlite_name(error).startswith(
        ("SQLITE_BUSY", "SQLITE_LOCKED")
    )


def _sqlite_name(error: exc.DBAPIError) -> str:
    return str(getattr(error.orig, "sqlite_errorname", ""))
