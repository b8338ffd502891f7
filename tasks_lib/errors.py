"""The errors a user of tasks can cause."""


class TaskError(ValueError):
    """A task that cannot be read, asked or scored; the message names file, key or document."""
