"""What can go wrong in a run, as seen by whoever started it."""

from backends.errors import BackendError
from metrics.errors import MetricError
from tasks_lib.errors import TaskError


class SpecError(ValueError):
    """A run that cannot be started as described; the message names the key or flag."""


class NotComparable(SpecError):
    """Two runs whose scores say nothing of each other. reason: why, without the runs' names."""

    def __init__(self, runs: str, reason: str) -> None:
        super().__init__(f"{runs} cannot be compared: {reason}")
        self.reason = reason


class ResultError(RuntimeError):
    """Results that cannot be written; what was answered is in the response store."""


class LostShard(RuntimeError):
    """A shard that no worker could ask to its end; what was answered is in the response store."""


class PublishError(RuntimeError):
    """A finished run that could not be published; its folder is whole."""


class Unavailable(PublishError):
    """As PublishError, and trying again may help."""


# Said of `--on-stop pause` wherever nobody could resume the run.
ONLY_DEPLOYED = (
    "--on-stop pause: only the run of a deployment can pause, since a worker goes on with it; without it the "
    "run stops, and the same command goes on from there"
)

# Errors that are the user's to mend: shown as a line or two, without a traceback.
USER_ERRORS = (SpecError, ResultError, PublishError, LostShard, TaskError, BackendError, MetricError)
