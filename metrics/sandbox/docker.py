"""Programs in containers of Docker or Podman, one each, without network, rights or anything of this machine.

A container has the Python of its image, with the image's packages.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics.sandbox.program import OPEN_FILES, WORKSPACE, Program

# Whether one that is here has a daemon is for the proof to find out.
CLIENTS = ("docker", "podman")
# The version of Python that runs this, so that programs mean the same.
IMAGE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
_NOBODY = "61184:61184"


@dataclass(frozen=True, slots=True)
class Docker:
    """client: the command, `docker` or one that takes the same flags. image: one with `python` in it."""

    client: str
    image: str = IMAGE
    is_apart: bool = True
    has_filter: bool = False

    @property
    def name(self) -> str:
        return self.client

    @property
    def python(self) -> str:
        return "python"

    @property
    def packages(self) -> Sequence[Path]:
        return ()

    def command(self, program: Program) -> list[str]:
        return [
            *(self.client, "run", "--rm", "--interactive", "--network", "none", "--read-only"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", _NOBODY),
            *("--memory", str(program.memory), "--memory-swap", str(program.memory)),
            *("--pids-limit", str(program.processes)),
            *_limits(program),
            *("--shm-size", "4m", "--tmpfs", f"{WORKSPACE}:rw,nosuid,nodev,mode=1777,size={program.files}"),
            *("--workdir", WORKSPACE),
            *_pairs("--env", (f"{name}={value}" for name, value in _environment(program))),
            *_pairs("--volume", (f"{path}:{path}:ro" for path in program.readable)),
            self.image,
            *program.argv,
        ]


def _environment(program: Program) -> Iterator[tuple[str, str]]:
    """Where programs are is for the image to say."""
    return ((name, value) for name, value in program.environment.items() if name != "PATH")


def _limits(program: Program) -> Iterator[str]:
    limits = {"core": 0, "fsize": program.files, "nofile": OPEN_FILES, "cpu": program.seconds}
    return _pairs("--ulimit", (f"{name}={most}" for name, most in limits.items() if most is not None))


def _pairs(flag: str, values: Iterator[str]) -> Iterator[str]:
    for value in values:
        yield from (flag, value)
