"""Starts commands as forks of a process that has imported what they need: imports take seconds, a fork none.

A script; its argument is the number of the socket that it is told of commands by. It ends with the socket.
"""

import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

# What runs import sooner or later, and nothing that starts a thread, which a fork would be without.
PRELOADED = (
    "flows.cli.evaluate_command",
    "flows.cli.script",
    "flows.pipeline.evaluate_flow",
    "flows.pipeline.opened_plan",
    "backends.endpoints.openai_chat",
    "backends.simple.scripted",
    "fastapi.encoders",
    "prefect.flow_engine",
    "prefect.task_engine",
    "pyarrow.dataset",
)


@dataclass(frozen=True, slots=True)
class Command:
    """A Python script with its arguments, where and with which environment it runs."""

    script: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]

    def send(self, control: socket.socket, out: int, errors: int, news: int) -> None:
        """Have it started, with these descriptors: its two outputs, and where to tell of it."""
        socket.send_fds(control, [json.dumps(asdict(self)).encode()], [out, errors, news])


def serve(control: socket.socket) -> Command:
    """Fork for each command that comes; gives the command in its own process alone."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 3)
        if not message:
            sys.exit()
        if os.fork() == 0:
            control.close()
            _watch_fork(*descriptors)
            return Command(**json.loads(message))
        for descriptor in descriptors:
            os.close(descriptor)


def _watch_fork(out: int, errors: int, news: int) -> None:
    """Fork once more: into the command, in which this returns, and who tells its process id and status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.dup2(out, sys.stdout.fileno())
        os.dup2(errors, sys.stderr.fileno())
        for descriptor in (out, errors, news):
            os.close(descriptor)
        return
    os.close(out)
    os.close(errors)
    os.write(news, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(news, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def become(command: Command) -> None:
    """Run the command's script in this process, as Python does."""
    os.environ.clear()
    os.environ.update(command.environment)
    os.chdir(command.folder)
    random.seed()
    sys.path[0] = str(Path(command.script).parent)
    sys.argv = [command.script, *command.arguments]
    runpy.run_path(command.script, run_name="__main__")


def main() -> None:
    """Fork the commands that come, all from one process that has no threads."""
    sys.path.insert(1, str(Path(__file__).resolve().parents[2]))
    for module in PRELOADED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # or each fork would look through all of it when it ends
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who watches a fork is not waited for
    become(serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
