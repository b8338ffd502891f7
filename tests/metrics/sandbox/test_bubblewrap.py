"""What a program in bubblewrap gets of the machine, and what it leaves."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from metrics.sandbox.program import FILES, Program, Sandbox
from metrics.sandbox.running import Ran, run
from tests.support.paths import ROOT
from tests.support.waiting import until

MB = 2**20


def ran(sandbox: Sandbox, source: str, *arguments: object) -> Ran:
    return run(sandbox, Program(["python", "-I", "-c", source, *map(str, arguments)]), seconds=120)


def said(sandbox: Sandbox, source: str, *arguments: object) -> str:
    return ran(sandbox, source, *arguments).said.decode().strip()


@pytest.mark.parametrize(
    ("act", "why"),
    [
        ("open(sys.argv[1])", "FileNotFoundError"),
        ("os.listdir(os.path.dirname(sys.argv[1]))", "FileNotFoundError"),
        ("open('/etc/passwd')", "FileNotFoundError"),
        ("open('/x', 'w')", "OSError"),
        ("open('/dev/x', 'w')", "OSError"),
        ("open('/usr/x', 'w')", "OSError"),
        ("socket.create_connection(('127.0.0.1', int(sys.argv[2])), 5)", "ConnectionRefusedError"),
        ("socket.socket(socket.AF_UNIX).connect(sys.argv[3])", "ConnectionRefusedError"),
        ("os.kill(int(sys.argv[4]), 9)", "ProcessLookupError"),
        ("os.setuid(0)", "PermissionError"),
        ("os.chroot('/w')", "PermissionError"),
        ("call('unshare', 0x10000000)", "PermissionError"),
        ("call('memfd_create', b'kept', 0)", "PermissionError"),
        ("os.kill(os.getpid(), 19)", "PermissionError"),
        ("call('ptrace', 16, os.getppid(), 0, 0)", "PermissionError"),
        ("call('mount', b'none', b'/w', b'tmpfs', 0, 0)", "PermissionError"),
    ],
)
def test_what_is_not_the_programs_it_does_not_get(bwrap: Sandbox, tmp_path: Path, act: str, why: str) -> None:
    secret = tmp_path / "secret"
    secret.touch()
    victim = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0assay-test-{os.getpid()}")
        abstract.listen()
        source = f"""
import ctypes, os, socket, sys
def call(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
sys.argv[3] = "\\0" + sys.argv[3]
try:
    {act}
except OSError as error:
    print(type(error).__name__)
else:
    print("got it")
"""
        name = f"assay-test-{os.getpid()}"
        assert said(bwrap, source, secret, server.getsockname()[1], name, victim.pid) == why
    assert victim.poll() is None
    victim.communicate()


def test_a_program_sees_its_own_environment_user_and_processes(
    bwrap: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    source = (
        "import os; print('SOME_API_KEY' in os.environ, any('SOME_API_KEY' in "
        "open(f'/proc/{p}/environ', errors='replace').read() for p in os.listdir('/proc') if p.isdigit() "
        "and os.access(f'/proc/{p}/environ', os.R_OK)), os.getuid() == 0, os.getcwd(), os.listdir('.'))"
    )
    assert said(bwrap, source) == "False False False /w []"


def test_it_has_the_packages_of_the_run(bwrap: Sandbox) -> None:
    path = [str(folder) for folder in bwrap.packages]
    source = f"import sys; sys.path += {path!r}; import numpy; print(numpy.ones(3).sum())"
    assert said(bwrap, source) == "3.0"


def test_three_processes_together_may_not_take_more_memory_than_one(bwrap: Sandbox) -> None:
    source = f"""
import os, time
for _ in range(3):
    if os.fork() == 0:
        kept = b"x" * {600 * MB}
        time.sleep(60)
        os._exit(0)
for _ in range(3):
    os.wait()
"""
    assert ran(bwrap, source).end == "took too much memory"


def test_one_process_gets_no_more_than_twice_its_memory_to_begin_with(bwrap: Sandbox) -> None:
    assert said(bwrap, f"try: bytearray({3 * 1024 * MB})\nexcept MemoryError: print('none')") == "none"


def test_all_files_together_are_bounded(bwrap: Sandbox) -> None:
    source = f"""
import os, sys
written = 0
try:
    for place in ("/w", "/dev/shm"):
        for number in range(100):
            with open(f"{{place}}/{{number}}", "wb", buffering=0) as file:
                written += file.write(b"x" * {MB})
except OSError:
    pass
try:
    for number in range(100):
        with open(f"/dev/shm/{{number}}", "wb", buffering=0) as file:
            written += file.write(b"x" * {MB})
except OSError:
    print(written)
"""
    assert 0 < int(said(bwrap, source)) <= FILES


def test_all_processes_together_are_bounded(bwrap: Sandbox) -> None:
    source = """
import os, time
for number in range(200):
    try:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    except OSError:
        break
print(number, flush=True)
os._exit(0)
"""
    assert 10 < int(said(bwrap, source)) <= Program(()).processes


def test_a_flood_of_output_ends_the_program(bwrap: Sandbox) -> None:
    ended = ran(bwrap, "while True: print('x' * 10**6)")
    assert ended.end == "said too much"
    assert len(ended.said) <= MB


def test_a_program_that_does_not_end_is_ended(bwrap: Sandbox) -> None:
    program = Program(["python", "-I", "-c", "import time; time.sleep(600)"])
    assert run(bwrap, program, seconds=0.5).end == "had not ended"


def test_processor_time_is_bounded(bwrap: Sandbox) -> None:
    program = Program(["python", "-I", "-c", "while True: pass"], seconds=1)
    assert run(bwrap, program, seconds=120).status == 128 + signal.SIGKILL


def test_whoever_started_it_is_killed_and_nothing_is_left(bwrap: Sandbox, tmp_path: Path) -> None:
    mark = f"left behind by {os.getpid()}"
    leave = "os.getpid() == os.getsid(0) or os.setsid()"
    source = f"import os, time; os.fork(); os.fork(); {leave}; time.sleep(600) # {mark}"
    harness = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from metrics.sandbox.pick import sandbox_of; "
            "from metrics.sandbox.program import Program; from metrics.sandbox.running import run; "
            f"run(sandbox_of('bwrap', allows_none=False), Program(['python', '-I', '-c', {source!r}]), "
            "seconds=600)",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
    )

    def there() -> list[int]:
        found = psutil.process_iter(["cmdline"])
        own = [one for one in found if any(mark in word for word in one.info["cmdline"] or ())]
        return [one.pid for one in own if one.pid != harness.pid]

    assert until(lambda: len(there()) > 4, harness)
    harness.kill()
    harness.wait()
    assert until(lambda: not there(), seconds=20)
    assert not list(tmp_path.iterdir())
