"""The Python that programs in a sandbox get: the run's own, with its packages, without the run's files."""

import os
import site
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# What a program sees of the system anyway.
SYSTEM = Path("/usr")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """executable: a file, no link. packages: folders of what it can import beside its library. folders: what
    has to be seen of it."""

    executable: Path
    packages: tuple[Path, ...]
    folders: tuple[Path, ...]


@cache
def own_interpreter() -> Interpreter:
    """The interpreter that runs this, or that its virtual environment was made of, with its packages."""
    library = Path(os.path.realpath(sys.base_prefix))
    packages = tuple(Path(folder) for folder in site.getsitepackages() if os.path.isdir(folder))
    beside = tuple(one for one in packages if not one.is_relative_to(library))
    seen = [folder for folder in (library, *beside) if not folder.is_relative_to(SYSTEM)]
    # What Nix installs is linked to all else that it has installed.
    folders = [Path("/nix/store") if folder.is_relative_to("/nix/store") else folder for folder in seen]
    return Interpreter(Path(os.path.realpath(_base_executable())), packages, tuple(dict.fromkeys(folders)))


def system_interpreter() -> Interpreter:
    """The interpreter of the system, for where a run's own lies in a folder that is closed to others."""
    return Interpreter(SYSTEM / "bin/python3", (), ())


def _base_executable() -> str:
    return getattr(sys, "_base_executable", None) or sys.executable
