"""The errors a user of tasks can cause."""


class TaskError(ValueError):
    """A task that cannot be read, built or scored; the message names file, key or document and the way out."""
