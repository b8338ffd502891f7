"""`TaskScope`: what the parts of one opened task share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from tasks_lib.ask_options import AskOptions
from tasks_lib.error_context import ErrorContext
from tasks_lib.files.config import ClassConfig, FunctionRef, TaskConfig

Config = TypeVar("Config", TaskConfig, ClassConfig)
Resolve = Callable[[FunctionRef], Any]


@dataclass(frozen=True, slots=True)
class TaskScope(Generic[Config]):
    """One task and how a run asks it.

    errors: makes the errors of the task. resolve: what a reference names, a function or class or a custom
    metric; raises TaskError. roots: data roots, the first one that has a dataset counts. own_folder: that of
    a task file which is not trusted, and may name no files but those below it and of the roots.
    """

    config: Config
    errors: ErrorContext
    resolve: Resolve
    options: AskOptions = field(default_factory=AskOptions)
    roots: Sequence[Path] = ()
    own_folder: Path | None = None
