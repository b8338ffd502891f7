"""Machines that share no disk: processes with a home of their own, to which the kernel shows no other's."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pytest

from tests.support.lab import Lab

_NAMESPACE = ("unshare", "--map-root-user", "--mount", "--")
# Puts an empty folder over each of its arguments up to `--`, and becomes the command after it. That it is to
# end with the tests the kernel forgot when the namespace was made.
_HIDE = (
    'while [ "$1" != -- ]; do mount -t tmpfs none "$1" || exit 1; shift; done; shift; '
    'exec setpriv --pdeathsig TERM "$@"'
)


@dataclass(frozen=True, slots=True)
class Machine:
    """environment: what its processes have besides the tests' own. hidden: folders that it has none of."""

    environment: Mapping[str, str] = field(default_factory=dict)
    hidden: Sequence[Path] = ()

    @property
    def through(self) -> Sequence[str]:
        """The command that runs another one there."""
        return (*_NAMESPACE, "sh", "-c", _HIDE, "sh", *map(str, self.hidden), "--") if self.hidden else ()

    @property
    def files(self) -> set[str]:
        """What is in its ASSAY_HOME."""
        home = Path(self.environment["ASSAY_HOME"])
        return {str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()}


HERE = Machine()


def other_machines(lab: Lab, root: Path, count: int, **more: str) -> list[Machine]:
    """Machines with homes of their own that see nothing of a lab. more: of their environment.

    Skips where the kernel does not let us hide folders.
    """
    if not _can_hide():
        pytest.skip("folders cannot be hidden from a process: there are no user namespaces")
    hidden = (lab.home, lab.data, lab.tasks)
    own = [root / f"machine-{number}" for number in range(count)]
    return [
        Machine({"ASSAY_HOME": str(one / "home"), "PREFECT_HOME": str(one / "prefect"), **more}, hidden)
        for one in own
    ]


@lru_cache(maxsize=1)
def _can_hide() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*_NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
    return tried.returncode == 0
