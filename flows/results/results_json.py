"""`results.json`: its one model, and the one place that reads it.

It has lm-eval's top-level keys, and what Assay adds under `assay`. Source of the layout:
lm-evaluation-harness 0.4.13, `lm_eval/result_schema.py` and `evaluator_utils.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from flows.common.errors import ResultError
from flows.common.json_object import JsonObject
from flows.results.answer_origins import AnswerOrigins
from flows.results.cost import RunCost
from flows.results.performance import RunPerformance

# Of what is under `assay`. 1 had no number; since 2 each number says how it is made (`aggregations`).
FORMAT = 2
# Of what counts as an answer, and how it is scored: raised where numbers of finished runs are no longer what
# they would be, so that these can be found (`flows.checking`). 0 had no number.
RULES = 1
NO_STDERR = "N/A"
_ROW_KEYS: Mapping[str, tuple[type, ...]] = {"alias": (str,), "sample_len": (int, type(None))}
_MOST_BITS = 1000  # of a whole number that is a number of floating point, too


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True, protected_namespaces=())


class Aggregation(_Part):
    """How a number is made. name: of what makes one of the documents' scores, with its options; None for a
    function of the task's own. weight_by_size: of a group, whether it weighs its tasks by their documents."""

    name: str | None
    options: JsonObject = {}
    weight_by_size: bool | None = None


class TaskUsage(_Part):
    """What became of a task's requests. Documents are answered, requests refused, failed or skipped; what is
    truncated ended at its token limit, `while_thinking` before the answer itself began.

    repeats: how often each request was asked. repeats_scored: how many of these answers its
    scores depend on. prompts_cut: requests whose prompts were longer than the model reads.
    docs_out_of_turn: documents with a program that wrote what nobody had asked it for, and so failed."""

    requests: int
    docs: int = 0
    docs_answered: int = 0
    truncated: int = 0
    truncated_while_thinking: int = 0
    refused: int = 0
    failed: int = 0
    skipped: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    repeats: int = 1
    repeats_scored: int = 1
    prompts_cut: int = 0
    docs_out_of_turn: int = 0


class Assay(_Part):
    """What Assay adds to lm-eval's sections. By task or group, where it says nothing else; numbers are named
    `metric,filter`.

    format: of this section. version: of Assay. rules: those that the run was made by. failed: why tasks
    have no score. drawing: see `backends.protocol.Capabilities`. generation: of each parameter that the
    task's texts are generated with, its `value` and what it is `from` (`flows.results.generation_record`).
    answers_from: the folder of the run whose answers were scored anew. seconds: from the run's start to its
    end; seconds_asking: those in which the model was asked. intervals: the 95 % confidence interval of each
    number that has one. notices: what is odd about its prompts. samples_sha256, calls_sha256: of the files of
    these. resources: see `flows.reporting.machine_usage`.
    """

    format: int = 1
    version: str = ""
    rules: int = 0
    failed: dict[str, str] = {}
    model_key: str = ""
    fingerprint: JsonObject = {}
    drawing: str = ""
    generation: dict[str, JsonObject] = {}
    answers_from: str | None = None
    python: str = ""
    tasks: dict[str, TaskUsage] = {}
    performance: RunPerformance | None = None
    cost: RunCost | None = None
    answers: AnswerOrigins | None = None
    intervals: dict[str, dict[str, tuple[float, float]]] = {}
    aggregations: dict[str, dict[str, Aggregation]] = {}
    notices: list[str] = []
    samples_sha256: dict[str, str] = {}
    calls_sha256: dict[str, str] = {}
    started: str = ""
    seconds: float = 0.0
    seconds_asking: float = 0.0
    requests_asked: int = 0
    requests_reused: int = 0
    resources: JsonObject = {}


class SampleCounts(_Part):
    """original: documents that the task has. effective: those that are in its score."""

    original: int
    effective: int


@dataclass(frozen=True, slots=True)
class Score:
    """A number of a task or group.

    stderr, interval: its standard error and 95 % confidence interval; None where there is none. docs: how
    many documents it is over. aggregation: None where the run does not say.
    """

    task: str
    metric: str
    filter: str
    value: float
    stderr: float | None
    interval: tuple[float, float] | None
    higher_is_better: bool | None
    docs: int | None
    aggregation: Aggregation | None = None

    @property
    def key(self) -> str:
        return f"{self.metric},{self.filter}"


@dataclass(frozen=True, slots=True)
class TaskOrGroup:
    """A task or group as it stands in a table: below so many groups (`depth`), with its numbers."""

    name: str
    alias: str
    depth: int
    num_fewshot: int | None
    scores: Sequence[Score]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where the documents of a task are from."""

    path: str | None
    configuration: str | None
    split: str | None


def _checked_row(row: JsonObject) -> JsonObject:
    """The numbers of a task or group, if they are numbers."""
    for key, value in row.items():
        metric, comma, _ = key.partition(",")
        is_value = comma and not metric.endswith("_stderr")
        wanted: tuple[type, ...] = (int, float) if is_value else _ROW_KEYS.get(key, (object,))
        if not isinstance(value, wanted) or (isinstance(value, int) and value.bit_length() > _MOST_BITS):
            raise ValueError(f"{key!r} is of another type")
    return row


Numbers = Annotated[JsonObject, AfterValidator(_checked_row)]


class RunRecord(_Part):
    """The content of `results.json`. A section that is not there is empty.

    results: by task or group, the numbers under `metric,filter`. configs: the tasks' files, as they were
    asked. config: the model, and how the run asked.
    """

    results: dict[str, Numbers] = {}
    groups: dict[str, JsonObject] = {}
    group_subtasks: dict[str, list[str]] = {}
    configs: dict[str, JsonObject] = {}
    versions: JsonObject = {}
    num_fewshot: dict[str, int | None] = Field(default={}, alias="n-shot")
    higher_is_better: dict[str, dict[str, bool | None]] = {}
    sample_counts: dict[str, SampleCounts] = Field(default={}, alias="n-samples")
    config: JsonObject = {}
    date: str = ""
    total_evaluation_time_seconds: str = ""
    assay: Assay = Assay()

    @classmethod
    def read(cls, content: Mapping[str, object]) -> "RunRecord":
        """What a `results.json` of this or an older version holds. Raises ResultError for another."""
        try:
            record = cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ResultError(f"results.json is none of a run: {where}: {first['msg']}") from error
        if record.assay.format > FORMAT:
            raise ResultError(
                f"results.json is of format {record.assay.format}, which a newer version wrote; "
                f"this one reads up to {FORMAT}"
            )
        return record

    def content(self) -> JsonObject:
        """As the file has it: what was given, under the file's names."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    @property
    def tasks(self) -> list[str]:
        """Those that have a score."""
        return list(self.configs)

    def children(self, group: str) -> Sequence[str]:
        """What stands directly below a group; nothing below a task."""
        return self.group_subtasks.get(group, ())

    def leaves(self, name: str) -> Iterator[str]:
        """The tasks below a group, or the task itself; one that two subgroups share comes twice."""
        if name not in self.group_subtasks:
            yield name
        for child in self.children(name):
            yield from self.leaves(child)

    def outermost(self) -> list[str]:
        """The tasks and groups that are in no group."""
        inner = {child for children in self.group_subtasks.values() for child in children}
        return [name for name in self.results if name not in inner]

    def in_order(self) -> Iterator[TaskOrGroup]:
        """All tasks and groups, each group before what is in it, nothing twice."""
        seen: set[str] = set()

        def visit(name: str, depth: int) -> Iterator[TaskOrGroup]:
            if name in seen or name not in self.results:
                return
            seen.add(name)
            alias = self.results[name].get("alias", name)
            yield TaskOrGroup(name, alias, depth, self.num_fewshot.get(name), self.scores(name))
            for child in self.children(name):
                yield from visit(child, depth + 1)

        for name in self.outermost():
            yield from visit(name, 0)

    def scores(self, name: str) -> list[Score]:
        """The numbers of a task or group, in their order; none where it has none or is not there."""
        row = self.results.get(name, {})
        directions = self.higher_is_better.get(name, {})
        intervals, how = self.assay.intervals.get(name, {}), self.assay.aggregations.get(name, {})
        found = []
        for key, value in row.items():
            metric, comma, filter_name = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            error = row.get(f"{metric}_stderr,{filter_name}")
            found.append(
                Score(
                    task=name,
                    metric=metric,
                    filter=filter_name,
                    value=value,
                    stderr=error if isinstance(error, int | float) else None,
                    interval=intervals.get(key),
                    higher_is_better=directions.get(metric),
                    docs=row.get("sample_len"),
                    aggregation=how.get(key),
                )
            )
        return found

    def score(self, name: str, key: str) -> Score | None:
        """The number of a task or group under `metric,filter`, if it has that."""
        return next((score for score in self.scores(name) if score.key == key), None)

    def task_values(self, task: str, keys: Sequence[str]) -> JsonObject:
        """What the task's file says under these keys; None where it says nothing."""
        return {key: self.configs[task].get(key) for key in keys}

    def run_values(self, keys: Sequence[str]) -> JsonObject:
        """How the run asked, by these keys of `config`; None where it says nothing."""
        return {key: self.config.get(key) for key in keys}

    def dataset(self, task: str) -> Dataset:
        config = self.configs[task]
        split = config.get("test_split") or config.get("validation_split")
        return Dataset(config.get("dataset_path"), config.get("dataset_name"), split)

    def cluster(self, task: str) -> str | None:
        """What documents of one source share, as the task's file says; None where it says nothing."""
        key: str | None = self.configs[task].get("cluster")
        return key

    @property
    def chat_template(self) -> str | None:
        """That the run's prompts were made with; None where it used none."""
        template: str | None = self.config.get("chat_template")
        return template

    @property
    def model_name(self) -> str:
        """The model without its backend and options: a folder, or what a hub or endpoint calls it."""
        return str(self.config["model_args"]["pretrained"])


def with_model_options(content: JsonObject, change: Callable[[JsonObject], JsonObject]) -> JsonObject:
    """The content of the file, with every set of options that its model has changed."""
    config, assay = content["config"], content["assay"]
    return {
        **content,
        "config": {**change(config), "model_args": change(config["model_args"])},
        "assay": {**assay, "fingerprint": change(assay["fingerprint"])},
    }
