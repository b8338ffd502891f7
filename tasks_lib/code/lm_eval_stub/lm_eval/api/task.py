"""Bases of task classes, which run on lm-eval's own code: here they can only be imported."""

from typing import Any


class Task:
    """Cannot be made: raises RuntimeError."""

    def __init__(self, *args: Any, **options: Any) -> None:
        raise RuntimeError("task classes need lm-eval, which is not installed")


class ConfigurableTask(Task):
    """As `Task`."""
