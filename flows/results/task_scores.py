"""What the score step says of a task, in a file of its own; `results.json` is made of these."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue

from flows.results.results_json import TaskUsage
from tasks_lib.scoring.scorer import MetricScore


class TaskScores(BaseModel):
    """original: how many documents the task has; effective: those in its scores. num_fewshot: the examples
    that each was asked with. version: of the task's file."""

    model_config = ConfigDict(frozen=True)

    scores: list[MetricScore]
    higher_is_better: dict[str, bool | None]
    version: JsonValue
    original: int
    effective: int
    num_fewshot: int
    usage: TaskUsage

    @classmethod
    def read(cls, file: Path) -> "TaskScores":
        return cls.model_validate_json(file.read_bytes())
