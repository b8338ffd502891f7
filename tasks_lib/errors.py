"""The errors a user of tasks can cause."""

from collections.abc import Sequence
from typing import Self


class TaskError(ValueError):
    """A task that cannot be read, asked or scored; the message names file, key or document."""


class MissingPackage(TaskError):
    """Task code needs packages that are not installed; `packages`: the names under which it imports them."""

    def __init__(self, message: str, packages: Sequence[str]) -> None:
        super().__init__(message)
        self.packages = tuple(packages)

    def __reduce__(self) -> tuple[type[Self], tuple[str, tuple[str, ...]]]:
        return type(self), (str(self), self.packages)


class MissingResource(TaskError):
    """Documents, a download or a program that a task needs are not there; nothing is wrong with its file."""
