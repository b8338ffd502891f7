"""`Instance`: a request as lm-eval's task classes make it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Instance:
    """metadata: the task's name, the document's position, and how often to ask."""

    request_type: str
    doc: Any
    arguments: Any
    idx: int
    metadata: tuple[str | None, int | None, int | None] = (None, None, None)
    resps: list[Any] = field(default_factory=list)
    filtered_resps: dict[str, Any] = field(default_factory=dict)
    task_name: str | None = None
    doc_id: int | None = None
    repeats: int | None = None

    def __post_init__(self) -> None:
        self.task_name, self.doc_id, self.repeats = self.metadata

    @property
    def args(self) -> tuple[Any, ...]:
        return self.arguments if isinstance(self.arguments, tuple) else (self.arguments,)
