"""No sandbox: programs run as everything else of this user does."""

import site
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics.sandbox.program import Program


@dataclass(frozen=True, slots=True)
class Unconfined:
    """A sandbox that keeps nothing apart; programs set their own limits. because: why there is no other."""

    because: str = ""
    name: str = "none"
    is_apart: bool = False
    has_filter: bool = False

    @property
    def python(self) -> str:
        return sys.executable

    @property
    def packages(self) -> Sequence[Path]:
        return [Path(folder) for folder in site.getsitepackages()]

    def command(self, program: Program) -> list[str]:
        first, *others = program.argv
        return [self.python if first == "python" else first, *others]
