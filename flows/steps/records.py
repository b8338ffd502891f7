"""What steps give back: records of plain values, which Prefect keeps as JSON and reads as what they are.

A step gives what worked and says what did not. A record whose fields change, or that moves to another
module, needs new numbers in `flows.planning.step_keys.CODE`: older ones are not read, then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from flows.planning.prepared_requests import PreparedTask
from flows.storage.step_files import File

# What keeps a run from asking more: a budget that is spent, or a model that stays away.
StoppedBy = Literal["budget", "model"]


class WithFiles(Protocol):
    """What a step says of files that it has written."""

    @property
    def files(self) -> Mapping[str, File]: ...


Record = TypeVar("Record", bound=WithFiles, covariant=True)


class StepResult(Protocol[Record]):
    """What a step wrote for each task, and why it did not for others."""

    @property
    def done(self) -> Mapping[str, Record]: ...

    @property
    def failed(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """described: what results say of the model (`Backend.describe`). fingerprint: by name."""

    described: Mapping[str, object]
    model_key: str
    fingerprint: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The tasks whose requests are written, and why others have none."""

    done: Mapping[str, PreparedTask]
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskShare:
    """What a shard has of a task. requests: different ones, of which so many were asked now, in so many
    seconds; of those that several tasks have, by the first. unanswered: files that say what has no answer,
    and why."""

    requests: int = 0
    asked: int = 0
    seconds: float = 0.0
    unanswered: Sequence[File] = ()

    def __add__(self, other: "TaskShare") -> "TaskShare":
        return TaskShare(
            self.requests + other.requests,
            self.asked + other.asked,
            self.seconds + other.seconds,
            (*self.unanswered, *other.unanswered),
        )


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What became of a shard, by task. failed: why requests of a task have no answer; the others' are
    stored. stopped_by: what kept some from being asked."""

    done: Mapping[str, TaskShare]
    failed: Mapping[str, str] = field(default_factory=dict)
    stopped_by: StoppedBy | None = None

    def __add__(self, other: "ShardResult") -> "ShardResult":
        """Of two parts of a shard."""
        nothing = TaskShare()
        done = {
            task: self.done.get(task, nothing) + other.done.get(task, nothing)
            for task in {**self.done, **other.done}
        }
        return ShardResult(done, {**other.failed, **self.failed}, self.stopped_by or other.stopped_by)


@dataclass(frozen=True, slots=True)
class ScoredTask:
    """files: the task's `scores` (JSON), `samples` and `calls` (Parquet)."""

    files: Mapping[str, File]


@dataclass(frozen=True, slots=True)
class Scored:
    """The tasks that have scores, and why others have none."""

    done: Mapping[str, ScoredTask]
    failed: Mapping[str, str] = field(default_factory=dict)
