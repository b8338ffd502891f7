"""`TaskContext`: what a run gives every task that it opens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks_lib.ask_options import AskOptions
from tasks_lib.code.functions import TrustedRoots, resolve
from tasks_lib.files.config import FunctionRef
from tasks_lib.prompts.turns import ChatRenderer


@dataclass(frozen=True, slots=True)
class TaskContext:
    """roots: data roots, the first one that has a dataset counts. trusted: folders whose Python may run.
    chat: the model's chat template, where prompts go through it."""

    roots: Sequence[Path]
    trusted: TrustedRoots
    options: AskOptions
    chat: ChatRenderer | None = None

    def resolve(self, ref: FunctionRef) -> Callable[..., Any]:
        """The function or class that `ref` names. Raises TaskError."""
        return resolve(ref, self.trusted)
