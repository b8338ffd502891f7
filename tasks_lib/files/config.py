"""What a task or group file may say, with lm-eval's keys, meanings and defaults.

Source of the rules: lm-evaluation-harness 0.4.13, `lm_eval/config/task.py` and `config/group.py`.
A value written `!function module.name` in YAML is a `FunctionRef` here: files are read without running any
of their code, and only `tasks_lib.code.trusted_functions` turns a reference into a callable.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, field_validator
from pydantic_core import CoreSchema, core_schema

from metrics.scores.metric import OutputType

FormatType = Literal["mcqa", "cloze", "generate", "cot"]


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """`!function module.name`, or a metric's `custom:module:name`, as it stands in a file of `folder`
    (absolute).

    name: dotted, as after `!function`. is_custom: the module is looked for where Python looks for modules,
    never in the folder.
    """

    folder: Path
    name: str
    is_custom: bool = False

    def __str__(self) -> str:
        return f"custom:{self.module}:{self.attribute}" if self.is_custom else f"!function {self.name}"

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def attribute(self) -> str:
        """What the function is called in its module."""
        return self.name.rpartition(".")[2]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Only a reference that the YAML reader made counts: a mapping with these two keys is none."""
        written = core_schema.to_string_ser_schema()
        return core_schema.is_instance_schema(cls, cls_repr="`!function`", serialization=written)


Field_ = str | FunctionRef  # a field name, a Jinja template or a function of the document


def _as_mapping(metadata: object) -> object:
    return metadata if isinstance(metadata, Mapping) else {} if metadata is None else {"_metadata": metadata}


class Strict(BaseModel):
    """Unknown keys are refused; `FunctionRef` values pass as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class WithOptions(BaseModel):
    """Keys beyond the fields are options of what the fields name."""

    model_config = ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class FewshotConfig(Strict):
    """How few-shot examples are chosen and written, where that differs from the evaluated document."""

    sampler: str | FunctionRef = "default"
    split: str | None = None
    process_docs: FunctionRef | None = None
    fewshot_indices: list[int] | None = None
    samples: list[dict[str, Any]] | FunctionRef | None = None
    doc_to_text: Field_ | int | None = None
    doc_to_choice: Field_ | list[Any] | dict[str, Any] | None = None
    doc_to_target: Field_ | int | list[Any] | None = None
    gen_prefix: str | None = None
    fewshot_delimiter: str | None = None
    target_delimiter: str | None = None


class MetricConfig(WithOptions):
    """One entry of `metric_list`; keys beyond these five are arguments of the metric (`options`).

    reduction: how the scores of a document's repeats become one (`metrics.aggregates.repeats`), or several
    such ways; None where a filter has made one response of them.
    """

    metric: Field_
    aggregation: Field_ | None = None
    higher_is_better: bool | None = None
    hf_evaluate: bool = False
    reduction: str | list[str] | None = None

    @property
    def name(self) -> str:
        return self.metric if isinstance(self.metric, str) else self.metric.attribute

    @property
    def reductions(self) -> list[str]:
        given = self.reduction or []
        return [given] if isinstance(given, str) else given


class FilterStep(WithOptions):
    """One function of a filter pipeline; keys beyond `function` are its arguments (`options`)."""

    function: Field_


class FilterPipeline(Strict):
    """A named sequence of filters; each pipeline gives metric values of its own.

    metric_list: the metrics of this pipeline; None for the task's.
    """

    name: str
    filter: list[FilterStep]
    metric_list: list[MetricConfig] | None = None


class ScorerConfig(WithOptions):
    """How generated texts are scored, by one name; keys beyond these two are options of the filter.

    type: `default` for the task's own filters and metrics, else the filter that reads the answer out.
    reduction: as of a metric.
    """

    type: Literal["default", "first_token", "regex", "choice_match"] = "default"
    reduction: str | list[str] | None = None


def _by_name(scorer: object) -> object:
    return {"type": scorer} if isinstance(scorer, str) else scorer


Scorer = Annotated[ScorerConfig, BeforeValidator(_by_name)]


class FormatConfig(Strict):
    """How question, choices and answer are laid out, and how the answer is scored.

    The prompt is instruction, prefix and question, the labelled choices, and answer instruction and prompt,
    with `section_separator` between. `instruction`, `answer_instruction` and `answer_prompt` are templates
    over the document with `_num_choices`, `_choice_labels`, `_choice_list_and` and `_choice_list_or` besides.

    choice_labels: what choices are called; None where they are not listed. fewshot_gen_prefix: what the
    answers of examples begin with; None for `gen_prefix`. generation_kwargs: None for the task's own.
    """

    type: FormatType
    output_type: OutputType = "generate_until"
    instruction: str | None = None
    question_prefix: str = ""
    choice_labels: Literal["letters", "numbers"] | list[str] | None = None
    choice_delimiter: str = "\n"
    section_separator: str = "\n"
    answer_instruction: str | None = None
    answer_prompt: str | None = None
    gen_prefix: str | None = None
    fewshot_gen_prefix: str | None = None
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    scorer: Scorer = Field(default_factory=ScorerConfig)
    generation_kwargs: dict[str, Any] | None = None

    @field_validator("choice_labels", mode="before")
    @classmethod
    def _no_labels(cls, value: object) -> object:
        return None if value == "none" else value


class TaskConfig(Strict):
    """A task file after includes and overrides; keys that only serve the catalog are not here."""

    task: str
    task_alias: str | None = None
    custom_dataset: FunctionRef | None = None
    dataset_path: str | None = None
    dataset_name: str | None = None
    dataset_kwargs: dict[str, Any] | None = None
    training_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    fewshot_split: str | None = None
    process_docs: FunctionRef | None = None
    doc_to_text: Field_ | int | None = None
    doc_to_target: Field_ | int | list[Any] | None = None
    doc_to_choice: Field_ | list[Any] | dict[str, Any] | None = None
    doc_to_image: Field_ | list[Any] | None = None
    doc_to_audio: Field_ | list[Any] | None = None
    unsafe_code: bool = False
    process_results: Field_ | None = None
    use_prompt: str | None = None
    description: Field_ = ""
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    fewshot_config: FewshotConfig = Field(default_factory=FewshotConfig)
    num_fewshot: int | None = Field(default=None, ge=0)
    metric_list: list[MetricConfig] | None = None
    output_type: OutputType = "generate_until"
    generation_kwargs: dict[str, Any] | None = None
    repeats: int = Field(default=1, ge=1)
    filter_list: list[FilterPipeline] | None = None
    should_decontaminate: bool = False
    doc_to_decontamination_query: Field_ | None = None
    gen_prefix: str | None = None
    formats: dict[str, FormatConfig] = Field(default_factory=dict)
    scorer: Scorer = Field(default_factory=ScorerConfig)
    cluster: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    @field_validator("formats", mode="before")
    @classmethod
    def _formats_by_name(cls, value: object) -> object:
        """`mcqa`, `[mcqa, cot]`, `{type: mcqa, ...}` or `{mcqa: {...}, short: {type: cot, ...}}`."""
        match value:
            case None:
                return {}
            case str():
                return {value: {"type": value}}
            case list() if all(isinstance(name, str) for name in value):
                return {name: {"type": name} for name in value}
            case {"type": str(name)}:
                return {name: value}
            case Mapping():
                return {name: _named_format(name, written) for name, written in value.items()}
            case _:
                return value

    _metadata_is_a_mapping = field_validator("metadata", mode="before")(_as_mapping)

    @field_validator("fewshot_config", mode="before")
    @classmethod
    def _no_fewshot_config(cls, value: object) -> object:
        return {} if value is None else value

    @property
    def version(self) -> Any:
        return self.metadata.get("version", "Yaml")


class ClassConfig(BaseModel):
    """A task that is a Python class on lm-eval's `Task` (`class: !function module.Class`).

    Which further keys there are and what they mean is the class's own (`model_extra`).
    """

    model_config = ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)

    task: str
    class_: FunctionRef = Field(alias="class", serialization_alias="class")
    task_alias: str | None = None
    unsafe_code: bool = False
    metadata: dict[str, Any] = Field(default_factory=dict)

    # Only the requests of such a task say what a model is asked.
    output_type: ClassVar[None] = None

    _metadata_is_a_mapping = field_validator("metadata", mode="before")(_as_mapping)


def _named_format(name: object, written: object) -> object:
    if written is None:
        return {"type": name}
    return {"type": name, **written} if isinstance(written, Mapping) else written


class AggregateMetric(Strict):
    """How a group's score is made from its tasks' scores."""

    metric: str
    aggregation: Literal["mean"] | FunctionRef = "mean"
    weight_by_size: bool = True
    filter_list: list[str] | None = None

    @field_validator("metric", mode="before")
    @classmethod
    def _name_of_a_function(cls, value: object) -> object:
        """A task's scores carry a function's own name."""
        return value.attribute if isinstance(value, FunctionRef) else value

    @field_validator("weight_by_size", mode="before")
    @classmethod
    def _as_truth(cls, value: object) -> bool:
        """lm-eval asks for truth only, and its own files say `truez`."""
        return bool(value)

    @field_validator("filter_list", mode="before")
    @classmethod
    def _one_filter(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class GroupConfig(Strict):
    """A group: a name over tasks and other groups, with the scores that are aggregated over its tasks.

    children: names of tasks and groups, in the order of the file.
    """

    group: str
    group_alias: str | None = None
    children: tuple[str, ...]
    aggregate_metric_list: list[AggregateMetric] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @field_validator("aggregate_metric_list", mode="before")
    @classmethod
    def _one_metric(cls, value: object) -> object:
        if value is None:
            return []
        return [value] if isinstance(value, Mapping) else value

    @property
    def version(self) -> str:
        return str(self.metadata.get("version", "N/A"))


def function_refs(value: object) -> Iterator[FunctionRef]:
    """Every `!function` in a configuration or a part of one."""
    match value:
        case FunctionRef():
            yield value
        case BaseModel():
            for _, inner in value:
                yield from function_refs(inner)
        case Mapping():
            for inner in value.values():
                yield from function_refs(inner)
        case list() | tuple():
            for inner in value:
                yield from function_refs(inner)
