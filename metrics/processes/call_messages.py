"""What a process that runs functions for another one is told, and what it says."""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from metrics.processes.limits import WorkLimits

# Asks the caller, in whose process some things are.
Ask = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a caller has around it, and the process has while it works for that caller."""

    environment: Mapping[str, str]
    folder: str
    path: Sequence[str]
    log_level: int

    @classmethod
    def here(cls) -> Self:
        return cls(dict(os.environ), os.getcwd(), list(sys.path), logging.getLogger().getEffectiveLevel())

    def take(self) -> None:
        """Have them in this process."""
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder)
        sys.path[:] = self.path
        logging.getLogger().setLevel(self.log_level)


@dataclass(frozen=True, slots=True)
class Job:
    """A function of a module, what it is given, and within which limits it works on each document."""

    function: Callable[[Any, Ask], Any]
    argument: Any
    limits: WorkLimits


@dataclass(frozen=True, slots=True)
class Gave:
    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    error: Exception


@dataclass(frozen=True, slots=True)
class Logged:
    """A line of a log."""

    name: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the caller; a `Gave` or `Raised` answers it."""

    arguments: Sequence[Any]
    options: Mapping[str, Any]
