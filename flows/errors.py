"""What can go wrong in a run, as seen by whoever started it."""

from backends.errors import BackendError
from metrics.errors import MetricError
from tasks_lib.errors import TaskError


class SpecError(ValueError):
    """A run that cannot be started as described; the message names the key or flag."""


class ResultError(RuntimeError):
    """Results that cannot be written; what was answered is in the response store."""


class PublishError(RuntimeError):
    """A finished run that could not be published; its folder is whole."""


class Unavailable(PublishError):
    """As PublishError, and trying again may help."""


# Errors that are the user's to mend: shown as a line or two, without a traceback.
USER_ERRORS = (SpecError, ResultError, PublishError, TaskError, BackendError, MetricError)
