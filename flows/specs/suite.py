"""`SuiteSpec`: models x tasks, as `deployments/suites/*.yaml` say it."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from backends.keys import shown
from flows.common.errors import SpecError
from flows.specs.evaluation import EvaluationSpec, Output
from flows.specs.form import as_form
from flows.specs.no_keys import NoKeys
from flows.specs.plain_yaml import plain_yaml
from flows.specs.validation import yaml_problem
from flows.storage.bucket import BucketPath
from flows.storage.files import Place
from metrics.errors import nearest

# What a suite says once for all its models, or what is not for a run that somebody waits for.
OWN = frozenset(
    {"model", "tasks", "output", "shared_folder", "estimate", "explain_cache", "show_performance"}
)
SETTINGS = tuple(key for key in EvaluationSpec.model_fields if key not in OWN)

Tolerance = Annotated[float, Field(ge=0)]


class SuiteModel(NoKeys):
    """A model of a suite. In YAML it is a model string, or a mapping with the settings beside `model`."""

    own = ("model", "settings")

    model: str = Field(description="backend:name?key=value&..., as --model of evaluate.py")
    name: str = Field(
        default="",
        description="what the leaderboard calls it, and by which it is found in earlier runs of the suite; "
        "without one, the model string",
    )
    settings: dict[str, JsonValue] = Field(
        default_factory=dict, description="what this model is asked with, in place of the suite's defaults"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: object) -> object:
        if isinstance(given, str):
            return {"model": given}
        if not isinstance(given, dict):
            return given
        own = {key: value for key, value in given.items() if key in cls.model_fields}
        beside = {key: value for key, value in given.items() if key not in cls.model_fields}
        return own | {"settings": {**own.get("settings", {}), **beside}}

    @property
    def label(self) -> str:
        return self.name or self.model


def _file_or_none(value: object) -> object:
    return value or None


class SuiteSpec(NoKeys):
    """Models, the tasks they are all asked, and when a worse score is a regression."""

    model_config = ConfigDict(json_schema_extra=as_form)

    places = ("output", "webhook")
    own = ("models", "defaults")

    name: str = Field(min_length=1, description="the suite's name: its runs are compared with each other")
    models: list[SuiteModel] = Field(min_length=1, description="the models, a row of the leaderboard each")
    tasks: list[str] = Field(min_length=1, description="task, group and tag names, as --tasks of evaluate.py")
    defaults: dict[str, JsonValue] = Field(
        default_factory=dict, description="what all models are asked with: keys of evaluate.py's --config"
    )
    metrics: dict[str, str] = Field(
        default_factory=dict,
        description="by task: the metric that counts, as metric or metric,filter; without one, its first",
    )
    at_once: int = Field(default=1, ge=1, description="models side by side, each in a process of its own")
    tolerance: Tolerance = Field(
        default=0.0, description="a score that is worse by no more than this is no regression"
    )
    tolerances: dict[str, Tolerance] = Field(
        default_factory=dict, description="the tolerance of single tasks, whose scores have other units"
    )
    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="chance that a run in which nothing changed is said to have changes",
    )
    webhook: Annotated[str | None, BeforeValidator(_file_or_none)] = Field(
        default=None,
        description="where a regression is posted: a URL, or env:NAME or secret:BLOCK where one is kept",
    )
    output: Output = Field(
        default=Path("results/suites"), description="folder of all suites' runs, or s3://bucket/prefix"
    )

    @field_validator("webhook")
    @classmethod
    def _webhook_is_no_secret(cls, webhook: str | None) -> str | None:
        kind = (webhook or "env:").partition(":")[0]
        if kind not in ("http", "https", "env", "secret"):
            raise ValueError(
                "is none of http(s)://..., env:NAME (a variable of the environment) and secret:BLOCK (a "
                "Secret block of Prefect)"
            )
        return webhook

    @field_validator("models")
    @classmethod
    def _names_are_different(cls, models: list[SuiteModel]) -> list[SuiteModel]:
        labels = [one.label for one in models]
        twice = [label for label in labels if labels.count(label) > 1]
        if twice:
            raise ValueError(f"'{_said(twice[0])}' is there twice: give each a 'name' of its own")
        return models

    @model_validator(mode="after")
    def _can_be_asked(self) -> "SuiteSpec":
        _check_keys("defaults", self.defaults)
        for one in self.models:
            where = f"models: {_said(one.label)}"
            _check_keys(where, one.settings)
            try:
                self.evaluation(one, self.output)
            except ValidationError as error:
                raise ValueError(f"{where}: {explained(error)}") from error
        return self

    def __str__(self) -> str:
        return self.name

    def evaluation(self, one: SuiteModel, output: Place) -> EvaluationSpec:
        """The evaluation of one of the models, its run's folder below `output`."""
        given = {**self.defaults, **one.settings}
        shared = self.output if isinstance(self.output, BucketPath) else None
        own = {"model": one.model, "tasks": self.tasks, "output": output, "shared_folder": shared}
        return EvaluationSpec.model_validate(given | own)

    def tolerance_of(self, task: str) -> float:
        """In units of the task's score."""
        return self.tolerances.get(task, self.tolerance)


def read_suite(file: Path) -> SuiteSpec:
    """The suite in a YAML file. Raises SpecError, which names the file and the key."""
    try:
        content = plain_yaml(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SpecError(f"{file}: {yaml_problem(error)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{file}: {error}") from error
    try:
        return SuiteSpec.model_validate(content)
    except ValidationError as error:
        raise SpecError(f"{file}: {explained(error)}") from error


def explained(error: ValidationError) -> str:
    """The first of what is wrong, after the name of its key."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        *above, key = where
        return ": ".join([*above, _unknown(key, SuiteSpec.model_fields)])
    message = first["msg"].removeprefix("Value error, ")
    got = "" if first["type"] in ("value_error", "missing") else f" (got {shown(first['input'])})"
    return ": ".join([*where, message]) + got


def _said(label: str) -> str:
    """A model's name in messages; of a model string without options, any of which may be a key."""
    return shown(label.partition("?")[0]).strip("'")


def _check_keys(where: str, settings: Mapping[str, object]) -> None:
    for key in settings:
        if key in OWN:
            raise ValueError(f"{where}: {key!r} is one and the same for the whole suite")
        if key not in SETTINGS:
            raise ValueError(f"{where}: {_unknown(key, SETTINGS)}")


def _unknown(key: str, known: Collection[str]) -> str:
    return f"unknown key {shown(key)}{nearest(key, list(known))}"
