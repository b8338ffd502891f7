"""`RescoreSpec`: which answers to score anew, and what of the scoring is other than it was."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from flows.common.errors import ResultError, SpecError
from flows.specs.evaluation import EvaluationSpec, Output, names, paths
from flows.specs.form import as_form
from flows.specs.no_keys import NoKeys
from flows.specs.validation import validated
from metrics.sandbox.pick import Choice

# What of a run's request is about asking.
_ASKING = (
    "budget_usd",
    "budget_tokens",
    "budget_time",
    "task_budget_usd",
    "task_budget_tokens",
    "task_budget_time",
    "estimate",
    "explain_cache",
    "reuse",
)


class RescoreSpec(NoKeys):
    """A finished run, with what is to change; what is left out is as it was."""

    model_config = ConfigDict(json_schema_extra=as_form)

    places = ("run", "output", "include_path")

    run: Output = Field(description="folder of the finished run whose stored answers are scored")
    tasks: Annotated[list[str] | None, BeforeValidator(names)] = Field(
        default=None, min_length=1, description="tasks and groups, separated by commas (default: the run's)"
    )
    include_path: Annotated[list[Path] | None, BeforeValidator(paths)] = Field(
        default=None, description="folders with task files, separated by ':', in place of the run's"
    )
    trust_task_code: bool = Field(
        default=False, description="let task files of --include-path run their Python"
    )
    allow_unsafe_code: bool = Field(
        default=False,
        description="run programs that the model wrote also where no sandbox proves itself, as you",
    )
    sandbox: Choice = Field(
        default="auto",
        description="where programs that the model wrote run: bwrap, docker, none (only with "
        "--allow-unsafe-code), or auto, the first that proves itself (docs/security.md)",
    )
    cluster: str | None = Field(
        default=None,
        description="field of the documents that those of one source share; standard errors allow for it",
    )
    min_coverage: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="least share of a task's documents with a stored answer for it to have a score",
    )
    output: Output | None = Field(default=None, description="folder of the runs (default: the run's)")

    def evaluation(self) -> EvaluationSpec:
        """The run again, with answers from the store alone.

        Raises SpecError where the folder holds no finished run, or its request is none of this version's.
        """
        from flows.results.run_folder import RunFolder

        run = RunFolder(self.run)
        try:
            before = run.spec_keys()
            run.read_results()
        except ResultError as error:
            raise SpecError(str(error)) from error
        kept = {key: value for key, value in before.items() if key not in _ASKING}
        changed = self.model_dump(exclude={"run"}, exclude_defaults=True)
        return validated(EvaluationSpec, {**kept, **changed, "answers_from": self.run})
