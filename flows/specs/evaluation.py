"""`EvaluationSpec`: the one description of a run, behind flags, YAML file, form and Python call."""

import ast
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from backends.keys import check_no_key, shown
from backends.model_string import ModelSpec
from backends.money.prices import parse_price
from flows.common.json_object import JsonObject
from flows.sinks.registry import open_sink
from flows.specs.form import as_evaluation_form
from flows.specs.no_keys import NoKeys
from flows.specs.runner_text import LOCAL, Runner
from flows.specs.store_address import check_store
from flows.storage.bucket import BucketPath
from flows.storage.files import Place, place_of
from metrics.sandbox.pick import Choice, Wanted

DEFAULT_MODEL = "starter:smollm2-135m-instruct?dtype=float32"
DEFAULT_TASKS = ("starter_choices", "starter_math", "starter_text")


def names(value: object) -> object:
    """A comma-separated text as a list."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def paths(value: object) -> object:
    return [path for path in value.split(os.pathsep) if path] if isinstance(value, str) else value


def _models(value: object) -> object:
    return [model.strip() for model in value.split("|")] if isinstance(value, str) else value


def mapping(value: object) -> object:
    """A JSON object, or `k=v,k=v` as a mapping, each value a boolean, null, number, list or text as lm-eval
    reads it."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    pairs = [part.partition("=") for part in _split(value) if part]
    wrong = [key for key, equals, _ in pairs if not (equals and key.strip())]
    if wrong:
        raise ValueError(f"{shown(wrong[0])} is not of the form key=value")
    return {key.strip(): _scalar(text.strip()) for key, _, text in pairs}


def _samples(value: object) -> object:
    """JSON, or the path of a file of it, as a mapping of task names to positions of documents."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value if value.lstrip().startswith("{") else Path(value).read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"wants JSON or a file of JSON: {error.strerror}: {shown(value)}") from error
    except ValueError as error:
        raise ValueError(f"wants JSON or a file of JSON: {error}") from error


def _split(text: str) -> list[str]:
    """The parts between commas; one within brackets divides nothing."""
    parts = [""]
    for piece in text.split(","):
        is_inside = len(re.findall(r"[\[({]", parts[-1])) > len(re.findall(r"[\])}]", parts[-1]))
        parts = [*parts[:-1], f"{parts[-1]},{piece}"] if is_inside else [*parts, piece]
    return parts


def _scalar(text: str) -> object:
    if text[:1] in ("[", "(", "{"):
        with suppress(SyntaxError, ValueError):
            return ast.literal_eval(text)
    words: dict[str, bool | None] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def default_data_roots() -> list[Path]:
    """Those of the environment."""
    return [Path(root) for root in os.environ.get("ASSAY_DATA_ROOT", "").split(os.pathsep) if root]


Output = Annotated[
    Path | BucketPath,
    PlainValidator(place_of),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "path"}),
]


class EvaluationSpec(NoKeys):
    """One model, many tasks. Every key is read; an unknown one is refused."""

    model_config = ConfigDict(json_schema_extra=as_evaluation_form)

    places = ("output", "shared_folder", "answers_from", "runner", "sinks", "data_root", "include_path")
    own = ("model", "fallback", "store")

    model: ModelSpec = Field(
        default_factory=lambda: ModelSpec.parse(DEFAULT_MODEL),
        json_schema_extra={"default": DEFAULT_MODEL},
        description="backend:name?key=value&..., for instance hf:Qwen/Qwen3-0.6B?dtype=bfloat16",
    )
    fallback: Annotated[list[ModelSpec], BeforeValidator(_models)] = Field(
        default_factory=list,
        description="models to use in order where --model does not answer, separated by ' | '; "
        "in YAML also model: [first, second]",
    )
    allow_mixing: bool = Field(
        default=False,
        description="let fallbacks answer single requests, so that one score may have answers of several "
        "models; else the first model that is there answers all",
    )
    tasks: Annotated[list[str], BeforeValidator(names)] = Field(
        default=list(DEFAULT_TASKS),
        min_length=1,
        description="task, group and tag names, wildcards, and paths of YAML files, separated by commas",
    )
    limit: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="only the first N documents of each task, or below 1 that fraction",
    )
    samples: Annotated[dict[str, list[int]], BeforeValidator(_samples)] = Field(
        default_factory=dict,
        description="only these documents of a task, by position, as JSON or a JSON file: "
        "'{\"arc_easy\": [0, 17]}'",
    )
    num_fewshot: int | None = Field(
        default=None, ge=0, description="examples before each document; tasks that fix 0 keep it"
    )
    seed: int = Field(default=1234, description="seed of few-shot draws and of sampled generations")
    apply_chat_template: bool = Field(
        default=False, description="ask through the model's chat template, examples as turns"
    )
    system_instruction: str | None = Field(
        default=None, description="text put before each task's description"
    )
    gen_kwargs: Annotated[JsonObject, BeforeValidator(mapping)] = Field(
        default_factory=dict, description="generation parameters for all tasks that generate: JSON or k=v,k=v"
    )
    repeats: int | None = Field(
        default=None, ge=1, description="how often each request of tasks that generate is asked"
    )
    metadata: Annotated[dict[str, JsonValue], BeforeValidator(mapping)] = Field(
        default_factory=dict,
        description="added to the tasks' metadata, for those that make their data: JSON or k=v,k=v",
    )
    end_of_thinking: str | None = Field(
        default=None,
        min_length=1,
        description="text that ends the thinking part of a generated answer, which is kept but not scored: "
        "</think>",
    )
    truncate: Literal["cut", "refuse"] = Field(
        default="cut",
        description="what to do with a prompt that is longer than the model reads: cut off its beginning, "
        "which is counted under the table, or refuse to ask it; see --min-coverage",
    )
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto", description="requests a batch, or auto; changes the speed, not the answers"
    )
    data_root: Annotated[list[Path], BeforeValidator(paths)] = Field(
        default_factory=default_data_roots,
        description="folders with local datasets, <dataset>/<configuration>/<split>.parquet|jsonl, "
        "separated by ':' (default: ASSAY_DATA_ROOT)",
    )
    include_path: Annotated[list[Path], BeforeValidator(paths)] = Field(
        default_factory=list, description="folders with more task files, separated by ':'"
    )
    trust_task_code: bool = Field(
        default=False, description="let task files of --include-path run their Python"
    )
    min_coverage: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="least share of a task's documents with an answer for it to have a score; "
        "where documents lack one the score is over the rest",
    )
    budget_usd: float | None = Field(default=None, gt=0, description="most that the run's answers may cost")
    budget_tokens: int | None = Field(default=None, gt=0, description="most tokens, in and out, of the run")
    budget_time: float | None = Field(default=None, gt=0, description="seconds after which no more is asked")
    task_budget_usd: float | None = Field(default=None, gt=0, description="as --budget-usd, of each task")
    task_budget_tokens: int | None = Field(default=None, gt=0, description="as --budget-tokens, of each task")
    task_budget_time: float | None = Field(default=None, gt=0, description="as --budget-time, of each task")
    on_stop: Literal["stop", "pause"] = Field(
        default="stop",
        description="what to do where the model stays away or a budget is spent: stop, or, in a deployment, "
        "pause until the run is resumed",
    )
    shared_limit: str | None = Field(
        default=None,
        min_length=1,
        description="global concurrency limit of Prefect that all runs of an account share; a slot a call",
    )
    price: Annotated[dict[str, float], BeforeValidator(mapping)] = Field(
        default_factory=dict,
        description="in=..,out=..,cached=.. in USD per million tokens, and hour=.. in USD per hour of a "
        "local model's time; without it the public price list counts",
    )
    latency_target: float | None = Field(
        default=None, gt=0, description="seconds an answer may take to count as goodput"
    )
    show_performance: bool = Field(
        default=False, description="print latencies, rates and errors under the table"
    )
    cluster: str | None = Field(
        default=None,
        min_length=1,
        description="field of the documents that those of one source share; standard errors allow for it",
    )
    allow_unsafe_code: bool = Field(
        default=False,
        description="run programs that the model writes also where no sandbox proves itself, as you",
    )
    sandbox: Choice = Field(
        default="auto",
        description="where programs that the model writes run, for tasks that test them: bwrap (bubblewrap), "
        "docker (or Podman), none (only with --allow-unsafe-code), or auto, the first that proves itself "
        "(docs/security.md)",
    )
    doc_seconds: float = Field(
        default=120,
        gt=0,
        le=10_000_000,
        description="processor seconds that a task's Python and templates may take for one document; a "
        "document that takes more fails its task, which says so",
    )
    doc_memory: float = Field(
        default=8, gt=0, description="GiB of memory that they may take for one document"
    )
    runner: str = Field(
        default=LOCAL,
        description="where the model is asked: local, dask:tcp://host:8786, dask:local?workers=4, ray:auto, "
        "ray://host:10001 or pool:NAME (docs/cluster.md)",
    )
    output: Output = Field(
        default=Path("results"), description="folder of the runs, or s3://bucket/prefix (docs/storage.md)"
    )
    shared_folder: Output | None = Field(
        default=None,
        description="s3://bucket/prefix whose runs share what their steps leave, as all nights of a suite do "
        "(default: --output)",
    )
    store: Annotated[str, AfterValidator(check_store)] | None = Field(
        default=None,
        description="where answers are kept: a SQLite file, postgresql+psycopg://user@host/database, or "
        "env:NAME or secret:NAME of a variable or Secret block that holds either (default: a file in "
        "ASSAY_HOME)",
    )
    reuse: bool = Field(
        default=False,
        description="go on from stored answers also where the endpoint now calls its model by another name "
        "than it did when they were given",
    )
    ask_anew: str = Field(
        default="",
        description="name of a generation of answers of its own: nothing is reused but what was stored under "
        "this name",
    )
    answers_from: Output | None = Field(
        default=None,
        description="folder of an earlier run whose stored answers are scored; no model is asked",
    )
    sinks: Annotated[list[str], BeforeValidator(names)] = Field(
        default_factory=list,
        description="where to publish the run when it is done, separated by commas: hub:org/name, "
        "wandb:project, mlflow:experiment, tensorboard:folder (docs/publishing.md)",
    )
    compat: Literal["lm-eval"] | None = Field(
        default=None, description="lm-eval: follow lm-eval also where it is wrong (docs/lm-eval.md)"
    )
    estimate: bool = Field(
        default=False, description="say what the run would cost and take, without a call, and stop"
    )
    explain_cache: bool = Field(
        default=False, description="say for each task which answers are in the store, and why others are not"
    )

    @model_validator(mode="before")
    @classmethod
    def _first_of_several_models(cls, given: object) -> object:
        """`model: [first, second]` is a model with a fallback."""
        if not isinstance(given, dict) or not isinstance(given.get("model"), list) or not given["model"]:
            return given
        first, *others = given["model"]
        return {**given, "model": first, "fallback": others}

    @field_validator("gen_kwargs", "metadata")
    @classmethod
    def _no_key_in_mappings(cls, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
        check_no_key(given)
        return given

    @field_validator("runner")
    @classmethod
    def _known_runner(cls, runner: str) -> str:
        Runner.parse(runner)
        return runner

    @field_validator("price")
    @classmethod
    def _known_price(cls, price: dict[str, float]) -> dict[str, float]:
        if price:
            parse_price(price)
        return price

    @field_validator("sinks")
    @classmethod
    def _known_sinks(cls, sinks: list[str]) -> list[str]:
        for sink in sinks:
            open_sink(sink)
        return sinks

    @model_validator(mode="after")
    def _no_sandbox_only_where_that_is_allowed(self) -> Self:
        if self.sandbox == "none" and not self.allow_unsafe_code:
            raise ValueError("sandbox none runs the model's programs as you: it needs --allow-unsafe-code")
        return self

    @property
    def wanted_sandbox(self) -> Wanted:
        """The sandbox of programs that the model writes."""
        return Wanted(self.sandbox, self.allow_unsafe_code)

    @property
    def steps_folder(self) -> Place:
        """The folder whose runs share what steps leave for others."""
        return self.shared_folder or self.output

    def written(self) -> JsonObject:
        """The spec as `--config` reads it, without what is left at its default, unless that may change."""
        dumped = self.model_dump(mode="json", exclude_defaults=True)
        roots = [str(root) for root in self.data_root]
        return {**dumped, "model": str(self.model), "tasks": self.tasks, "data_root": roots}
