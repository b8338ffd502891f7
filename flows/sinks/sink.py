"""A sink: a place that finished runs are published to, named `kind:name?key=value&key=value`."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from backends.model_string import ModelSpec

if TYPE_CHECKING:
    from flows.results.evaluation_result import EvaluationResult


class Sink(BaseModel, ABC):
    """One place, with its options as fields. Its package is imported when it is checked or used.

    name: where to, in the place; of a class of one's own (`custom:package.module:Class`) its import path. For
    instance, a sink that appends the scores of each run to a file:

        class ScoresFile(Sink):
            path: Path

            def publish(self, result: EvaluationResult) -> str:
                with self.path.open("a") as file:
                    file.write(f"{result.folder}\\n{result.table()}\\n")
                return str(self.path)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str

    def check(self, model: ModelSpec) -> None:
        """Raise SpecError where it is plain, without a call, that a run of this model cannot be published."""

    @abstractmethod
    def publish(self, result: "EvaluationResult") -> str:
        """Publish a run, and give the address it has there. A run that is there already stays as it is.

        Raises PublishError in a line that says why not; Unavailable where trying again may help.
        """
