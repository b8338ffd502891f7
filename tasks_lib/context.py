"""`TaskContext`: what a run gives every task that it opens."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tasks_lib.ask_options import AskOptions
from tasks_lib.code.trusted_functions import TrustedRoots, resolve
from tasks_lib.error_context import ErrorContext
from tasks_lib.prompts.turns import ChatRenderer
from tasks_lib.scope import Config, TaskScope


@dataclass(frozen=True, slots=True)
class TaskContext:
    """roots: data roots, the first one that has a dataset counts. trusted: folders whose Python may run.
    chat: the model's chat template, where prompts go through it."""

    roots: Sequence[Path]
    trusted: TrustedRoots
    options: AskOptions
    chat: ChatRenderer | None = None

    def scope(self, config: Config, path: Path) -> TaskScope[Config]:
        """A task of this run; path: its file, or its group's for one defined there."""
        errors, resolves = ErrorContext(config.task, path), partial(resolve, trusted=self.trusted)
        own_folder = None if path in self.trusted else path.parent
        return TaskScope(config, errors, resolves, self.options, self.roots, own_folder)
