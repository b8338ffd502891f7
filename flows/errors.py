"""What can go wrong in a run, as seen by whoever started it."""

from backends.errors import BackendError
from metrics.errors import MetricError
from tasks_lib.errors import TaskError


class SpecError(ValueError):
    """A run that cannot be started as described; the message names the key or flag."""


class ResultError(RuntimeError):
    """Results that cannot be written; what was answered is in the response store."""


class LostShard(RuntimeError):
    """A shard that no worker could ask to its end; what was answered is in the response store."""


# Errors that are the user's to mend: shown as a line or two, without a traceback.
USER_ERRORS = (SpecError, ResultError, LostShard, TaskError, BackendError, MetricError)
