"""What a sandbox has to show before the first program runs in it: what must fail in it does fail."""

import json
import secrets
import socket
import tempfile
from pathlib import Path

from metrics.errors import MetricError
from metrics.sandbox.program import Program, Sandbox
from metrics.sandbox.running import Ran, run

# Of a start by the clock, on a busy machine; an image may have to be fetched first.
_SECONDS = 60.0
_SECONDS_WITH_IMAGE = 600.0
_MEMORY = 128 * 2**20
_PROCESSES = 32

# Each prints lines of JSON: first that it runs, then what it got hold of, and whether it came to its end.
_RUNS, _ENDED = "runs", "came to its end"
_REACHES = """
import json, os, socket, sys, time
secret, port, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print(json.dumps("runs"), flush=True)
def write():
    file = "/" + os.path.basename(secret)
    open(file, "x").close()
    os.unlink(file)
def got(name, act):
    try:
        act()
    except OSError:
        return
    print(json.dumps(name), flush=True)
got("could read a file outside of it", lambda: open(secret).close())
got("could write outside of its own folder", write)
got("could reach a server of this machine", lambda: socket.create_connection(("127.0.0.1", port), 5).close())
for number in range(most + 1):
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        time.sleep(30)
        os._exit(0)
else:
    print(json.dumps(f"could start {most + 1} processes"), flush=True)
print(json.dumps("came to its end"), flush=True)
os._exit(0)
"""
_HOARDS = """
import json, os, sys, time
print(json.dumps("runs"), flush=True)
for _ in range(3):
    if os.fork() == 0:
        kept = b"x" * (int(sys.argv[1]) * 2 // 3)
        time.sleep(5)
        os._exit(0)
for _ in range(3):
    _, status = os.wait()
    if status:
        os._exit(1)
print(json.dumps("could take twice the memory"), flush=True)
"""


def check(sandbox: Sandbox) -> None:
    """Raise MetricError where a sandbox does not work here, or does not hold; the message says why."""
    with (
        tempfile.TemporaryDirectory(prefix="assay-proof-") as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        Path(folder).chmod(0o755)
        secret = Path(folder, secrets.token_hex(8))
        secret.touch()
        port = str(server.getsockname()[1])
        reaching = Program(
            ["python", "-I", "-c", _REACHES, str(secret), port, str(_PROCESSES)], processes=_PROCESSES
        )
        if _ENDED not in _said(sandbox, reaching):
            raise MetricError(f"{sandbox.name} does not run programs to their end here")
    hoarding = Program(["python", "-I", "-c", _HOARDS, str(_MEMORY)], memory=_MEMORY)
    _said(sandbox, hoarding)


def _run(sandbox: Sandbox, program: Program) -> Ran:
    seconds = _SECONDS if sandbox.has_filter else _SECONDS_WITH_IMAGE
    try:
        return run(sandbox, program, seconds=seconds)
    except OSError as error:
        raise MetricError(f"{sandbox.name} does not start: {error}") from error


def _said(sandbox: Sandbox, program: Program) -> list[str]:
    """What a program says beside what it got hold of. Raises MetricError where it got hold of anything."""
    ran = _run(sandbox, program)
    lines = ran.said.decode("utf-8", "replace").splitlines()
    if json.dumps(_RUNS) not in lines or ran.end == "had not ended":
        said = " ".join(lines).strip() or f"{ran.end} with status {ran.status}"
        raise MetricError(f"{sandbox.name} does not run programs here: {said:.300}")
    said_of_it = [json.loads(line) for line in lines if line.startswith('"')]
    if got := [line for line in said_of_it if line not in (_RUNS, _ENDED)]:
        raise MetricError(f"{sandbox.name} does not hold here: a program {got[0]}")
    return said_of_it
