"""PostgreSQL as a child process with a folder of its own."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.servers.process import free_port

# PostgreSQL starts, and recovers, in a second or two; a machine that runs other tests beside takes longer.
_PATIENCE = 60
_PR_SET_PDEATHSIG = 1
_FAST = ["-c", "fsync=off"]  # a killed process loses nothing by it, only a lost power supply would


def postgresql_programs() -> Path | None:
    """The newest installed PostgreSQL's programs."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = shutil.which("postgres")
    return versions[-1].parent if versions else Path(found).parent if found else None


class PostgreSQL:
    """One server; its only user is `assay`, whose password is `PASSWORD`."""

    PASSWORD = "not-in-any-log"

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Its own folder: those of pytest are closed to the user that the server runs as.
        self._folder = Path(tempfile.mkdtemp(prefix="assay-postgresql-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._as = _user()
        if self._as is not None:
            os.chown(self._folder, self._as.pw_uid, self._as.pw_gid)
        password = self._folder / "password"
        password.write_text(self.PASSWORD)
        password.chmod(0o644)
        options = ["--auth=scram-sha-256", "--no-sync", "--username=assay", f"--pwfile={password}"]
        self._run("initdb", f"--pgdata={self._data}", *options)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        """What PostgreSQL's clients read to be let in."""
        return {"PGPASSWORD": self.PASSWORD}

    def url(self, database: str) -> str:
        """Of a database, without the password."""
        return f"postgresql+psycopg://assay@127.0.0.1:{self._port}/{database}"

    def create(self, database: str) -> str:
        """Make a database; its URL."""
        client = ["--host=127.0.0.1", f"--port={self._port}", "--username=assay"]
        subprocess.run(
            [str(self._programs / "createdb"), *client, database],
            env={**os.environ, **self.environment},
            check=True,
        )
        return self.url(database)

    def start(self) -> None:
        """Start it; returns when it answers. The thread that starts it must live as long as it does."""
        where = [f"-p{self._port}", "-c", "listen_addresses=127.0.0.1", f"-k{self._folder}"]
        with (self._folder / "log").open("ab") as words:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *where, *_FAST],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
                preexec_fn=self._becoming(signal.SIGQUIT),
            )
        ready = ["pg_isready", "--host=127.0.0.1", f"--port={self._port}", "--dbname=postgres"]
        for _ in range(_PATIENCE * 10):
            if self._run(*ready, "--timeout=1", check=False) == 0:
                return
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.1)
        raise RuntimeError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End it and what serves its connections at once, as a lost power supply would."""
        if self._process is not None:
            for process in [self._process.pid, *self._children()]:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """End it for good."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _children(self) -> Sequence[int]:
        """Processes of the server, each of which has a session of its own."""
        import psutil

        assert self._process is not None
        with suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self._process.pid).children(recursive=True)]
        return []

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            capture_output=True,
            preexec_fn=self._becoming(signal.SIGKILL),
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")
        return done.returncode

    def _becoming(self, at_our_death: signal.Signals) -> Callable[[], None]:
        """Become the server's user; get a signal where the tests are killed."""
        libc, user = ctypes.CDLL(None), self._as

        def become() -> None:
            if user is not None:
                os.setgroups([])
                os.setgid(user.pw_gid)
                os.setuid(user.pw_uid)
            libc.prctl(_PR_SET_PDEATHSIG, at_our_death)

        return become


def _user() -> "pwd.struct_passwd | None":
    """Whom to run as: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")
