"""`RescoreSpec`: which answers to score anew, and what of the scoring is other than it was."""

import json
import os
import shlex
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue

from backends.keys import shown
from backends.model_string import ModelSpec
from flows.common.errors import ResultError, SpecError
from flows.common.json_object import JsonObject
from flows.results.own_requests import OF_ANYBODY, is_own
from flows.specs.evaluation import EvaluationSpec, Output, default_data_roots, mapping, names, paths
from flows.specs.form import as_form
from flows.specs.no_keys import NoKeys
from flows.specs.store_address import check_store
from flows.specs.validation import validated
from flows.storage.home import Home
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
# What else a run may not be scored without as it was, and flags say. Metadata goes to Python of tasks, and a
# model is opened for its chat template.
_NEVER_OPENED = "scripted"
_TO_SAY = ("metadata", "store", "data_root", "include_path")


class RescoreSpec(NoKeys):
    """A finished run, with what is to change; what is left out is as it was."""

    model_config = ConfigDict(json_schema_extra=as_form)

    places = ("run", "output", "include_path", "data_root")
    own = ("store",)

    run: Output = Field(description="folder of the finished run whose stored answers are scored")
    tasks: Annotated[list[str] | None, BeforeValidator(names)] = Field(
        default=None, min_length=1, description="tasks and groups, separated by commas (default: the run's)"
    )
    include_path: Annotated[list[Path] | None, BeforeValidator(paths)] = Field(
        default=None, description="folders with task files, separated by ':', in place of the run's"
    )
    data_root: Annotated[list[Path] | None, BeforeValidator(paths)] = Field(
        default=None, description="folders with local datasets, separated by ':', in place of the run's"
    )
    store: Annotated[str, AfterValidator(check_store)] | None = Field(
        default=None, description="where the answers are kept, in place of the run's store"
    )
    model: ModelSpec | None = Field(
        default=None,
        description="the run's model, where others made the run: its chat template makes prompts again, and "
        "some tasks read its tokenizer; it is asked nothing",
    )
    metadata: Annotated[dict[str, JsonValue] | None, BeforeValidator(mapping)] = Field(
        default=None, description="the run's --metadata, where others made the run: JSON or k=v,k=v"
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

        Of a run that is not of this home nothing is taken that gives rights or names a place.
        Raises SpecError where the folder holds no finished run, its request is none of this version's, or
        lacks what only the user may say.
        """
        from flows.results.evaluation_result import EvaluationResult
        from flows.results.run_folder import RunFolder

        run = RunFolder(self.run)
        try:
            before, model = run.spec_keys(), run.read_model()
            EvaluationResult.open(self.run)
        except ResultError as error:
            raise SpecError(str(error)) from error
        changed = self.model_dump(exclude={"run"}, exclude_defaults=True)
        if is_own(Home.from_environment(), before):
            kept = {key: value for key, value in before.items() if key not in _ASKING}
        else:
            self._check_said(before)
            name = {"backend": _NEVER_OPENED, "name": model.name}
            kept = {key: value for key, value in before.items() if key in OF_ANYBODY} | {"model": name}
        return validated(EvaluationSpec, {**kept, **changed, "answers_from": self.run})

    def _check_said(self, before: JsonObject) -> None:
        """Raise SpecError where the request of others says what only the user may say, and did not."""
        usual = {"data_root": default_data_roots()}
        unsaid = {
            key: text
            for key in (("model", *_TO_SAY) if before.get("apply_chat_template") else _TO_SAY)
            if getattr(self, key) is None
            and (text := _flag_text(before.get(key)))
            and text != _flag_text(usual.get(key))
        }
        if unsaid:
            flags = [
                f"--{key.replace('_', '-')} {shlex.quote(text) if shown(text) == repr(text) else '...'}"
                for key, text in unsaid.items()
            ]
            raise SpecError(
                f"{self.run} is no run of this home, or was asked otherwise: what it says of "
                f"{', '.join(unsaid)} counts only if you say it, too.\n"
                f"If you trust it: python flows/rescore.py {shlex.quote(str(self.run))} {' '.join(flags)}"
            )


def _flag_text(value: object) -> str:
    """A value of a request as its flag is written."""
    match value:
        case None | [] | {}:
            return ""
        case list():
            return os.pathsep.join(map(str, value))
        case dict():
            return str(json.dumps(value, default=str))
    return str(value)
