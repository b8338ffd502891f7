"""One task of lm-eval's catalog on both sides, on the same made-up documents and answers, below the flow."""

import contextlib
import hashlib
import random
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal
from unittest import mock

from backends.requests import Request, Response
from metrics.statistics.stderr import stderr
from tasks_lib.ask_options import AskOptions
from tasks_lib.catalog.catalog import Catalog
from tasks_lib.catalog.selection import TaskFile
from tasks_lib.code.trusted_functions import TrustedRoots, installed_catalog
from tasks_lib.context import TaskContext
from tasks_lib.errors import TaskError
from tasks_lib.files.config import TaskConfig
from tasks_lib.prompts.request_builder import DocRequests
from tasks_lib.scoring import scorer
from tasks_lib.scoring.scorer import Answered
from tasks_lib.task import ConfiguredTask, open_task
from tests.parity.bounds import quietly, time_limit
from tests.parity.comparison import Different, same
from tests.parity.known_fields import KNOWN_FIELDS
from tests.parity.made_up_answers import answered, check_labels
from tests.parity.observed import Field
from tests.parity.synthetic_documents import NoChoice, attempt_plain, declared, discover, rows

LIMIT = 6  # documents
EXAMPLES = 2  # where a task does not say how many
RESAMPLES = 20
OWN_GENERATOR = ("gpqa_diamond_n_shot", "gpqa_extended_n_shot", "gpqa_main_n_shot")


@dataclass
class Outcome:
    """What became of one task.

    reason: what differs, or why nothing was compared. requests: how many. varied: whether some metric has
    several values over the documents, so that right and wrong answers were among them. seconds: of the CPU.
    """

    task: str
    status: Literal["equal", "different", "not compared"]
    reason: str = ""
    requests: int = 0
    varied: bool = False
    seconds: float = 0.0


def check(name: str, schemas: dict[str, Field]) -> Outcome:
    """Compare one task of the catalog. schemas: of documents, found before; it grows."""
    if name in OWN_GENERATOR:
        reason = "shuffles with a generator of its module: lm-eval's own documents change with every access"
        return Outcome(name, "not compared", reason)
    try:
        with quietly(), time_limit():
            file = _catalog().select([name]).tasks[name]
            _refuse_other_kinds(file)
            schema = _schema(file, schemas)
            try:
                return _compare(file, schema)
            except Different:
                _forget_modules(file)  # of what they remember of tasks before
                return _compare(file, schema)
    except Different as error:
        return Outcome(name, "different", str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a task's own code may raise anything
        plain = isinstance(error, TaskError | LmEvalFails)
        said = str(error) if plain else f"{type(error).__name__}: {error}"
        return Outcome(name, "not compared", re.sub(r"\s+", " ", said))


def _refuse_other_kinds(file: TaskFile) -> None:
    if not isinstance(file.config, TaskConfig):
        raise TaskError("Python task classes are compared by test_class_tasks.py")
    if file.config.doc_to_image or file.config.doc_to_audio:
        raise TaskError("images and sound are compared by test_media.py")


def tasks_by_family(pattern: str = "*") -> dict[str, list[str]]:
    """The catalog's tasks by the folder that they are in."""
    found = defaultdict(list)
    for entry in _catalog().entries(pattern):
        if entry.kind == "task" and entry.path is not None:
            found[_family(entry.path)].append(entry.name)
    return dict(found)


def _family(path: Path) -> str:
    return _place(path).partition("/")[0]


def _place(path: Path) -> str:
    """In the catalog."""
    root = installed_catalog()
    assert root is not None
    return path.relative_to(root).as_posix()


@cache
def _catalog() -> Catalog:
    root = installed_catalog()
    assert root is not None
    return Catalog([root], Path(tempfile.gettempdir(), "assay-parity"))  # its index serves all processes


# Documents, for both


@dataclass
class Splits:
    """The splits of a task, made when they are asked for; to Assay a `Source`, to lm-eval its `dataset`."""

    schema: Field
    count: int
    made: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, split: str) -> Any:
        import datasets

        if split not in self.made:
            self.made[split] = datasets.Dataset.from_list(rows(self.schema, self.count, split))
        return self.made[split]

    def rows(self, split: str) -> list[Any]:
        return list(self[split])

    def dataset(self, split: str) -> Any:
        return self[split]

    def digest(self, splits: Sequence[str]) -> str:
        return ""


@dataclass(frozen=True)
class Watching:
    """A `Source` of splits that watch how they are read."""

    split: Callable[[str], Any]

    def rows(self, split: str) -> list[Any]:
        return list(self.split(split))

    def dataset(self, split: str) -> Any:
        return self.split(split)

    def digest(self, splits: Sequence[str]) -> str:
        return ""


def _own(file: TaskFile) -> TaskConfig:
    assert isinstance(file.config, TaskConfig)  # see _refuse_other_kinds
    return file.config


def _schema(file: TaskFile, schemas: dict[str, Field]) -> Field:
    """Of the task's documents; tasks whose files differ in names and data only have one together."""
    unread = {"task", "task_alias", "dataset_path", "dataset_name", "dataset_kwargs", "metadata"}
    read = repr(file.config.model_dump(exclude=unread))
    signature = hashlib.sha256(read.encode("utf-8", "surrogatepass")).hexdigest()
    if signature not in schemas:
        kin = f"{file.path.parent.parent} {sorted(declared(_own(file)).keys)}"
        schemas[signature] = schemas[kin] = _found(file, schemas.get(kin))
    return schemas[signature]


def _found(file: TaskFile, kin: Field | None) -> Field:
    """The schema of a task's documents: that of its kin, in another language for example, if it serves."""
    attempt = partial(_attempt, file)
    if kin is not None and attempt_plain(kin, attempt) is None:
        return kin
    schema, error = discover(_own(file), attempt, _known_fields(file.path))
    if error is not None:
        raise error
    return schema


def _known_fields(path: Path) -> Mapping[str, Sequence[Any]]:
    return next((known for start, known in KNOWN_FIELDS.items() if _place(path).startswith(start)), {})


def _attempt(file: TaskFile, split: Callable[[str], Any]) -> Exception | None:
    """Our side alone; what it raised."""
    try:
        task = _our_task(file, Watching(split))
        asked = list(task.builder)
        check_labels(_own(file), task, asked)
        scored = _our_scores(task, answered(_own(file), task, asked))
        if not scored.vary:
            raise NoChoice
        if _own(file).num_fewshot is None:
            with contextlib.suppress(TaskError):
                list(_our_task(file, Watching(split), EXAMPLES).builder)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001  # it says what the documents lack
        return NoChoice() if "no label of a choice" in str(error) else error
    return None


# Both sides


def _our_task(file: TaskFile, source: Any, examples: int | None = None) -> ConfiguredTask:
    options = AskOptions(num_fewshot=examples, limit=LIMIT, compat=True)
    task = open_task(file, TaskContext((), TrustedRoots.standard(), options))
    assert isinstance(task, ConfiguredTask)
    task.documents.source = source
    return task


def _their_task(file: TaskFile, splits: Splits) -> Any:
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks import TaskManager

    def download(self: Any, *_: Any, **__: Any) -> None:
        self.dataset = splits
        for config, key in (
            (self.config, "process_docs"),
            (self.config.fewshot_config, "process_docs"),
            (self.config.fewshot_config, "samples"),
        ):
            if callable(getattr(config, key)):
                setattr(config, key, _seeded(getattr(config, key)))

    with mock.patch.object(ConfigurableTask, "download", download):
        (task,) = TaskManager(include_defaults=False).load([str(file.path)])["tasks"].values()
        return task


def _seeded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Called once for each split, with the seeds that Assay sets for each (docs/lm-eval.md)."""
    import numpy

    done: dict[int, Any] = {}

    def called(*given: Any) -> Any:
        key = id(given[0]) if given else 0
        if key not in done:
            random.seed(0)
            numpy.random.seed(1234)
            done[key] = function(*given)
        return done[key]

    return called


def _share_modules() -> None:
    """lm-eval would load each module again that Assay has loaded."""
    for name, module in list(sys.modules.items()):
        stamp = name.startswith("lm_eval.tasks.") and getattr(module, "__task_file__", None)
        if stamp and not hasattr(module, "__mtime__"):
            module.__dict__["__mtime__"] = stamp[1]


def _forget_modules(file: TaskFile) -> None:
    for name in [name for name in sys.modules if name.startswith(f"lm_eval.tasks.{_family(file.path)}")]:
        del sys.modules[name]


# Comparison


@dataclass(frozen=True)
class Scored:
    """All that one side says of a task.

    samples: of each filter and document: both, filtered answers, target, scores.
    aggregated: scores and standard errors, by the names that lm-eval has for them.
    """

    samples: list[tuple[Any, ...]]
    aggregated: dict[str, Any]

    @property
    def vary(self) -> bool:
        """Whether some metric has several values over the documents."""
        values = defaultdict(set)
        for name, *_, scores in self.samples:
            for metric, score in scores.items():
                values[name, metric].add(repr(score))
        return any(len(different) > 1 for different in values.values())


def _compare(file: TaskFile, schema: Field) -> Outcome:
    name, own = file.config.task, _own(file).num_fewshot
    splits = Splits(schema, max(LIMIT, schema.size, (own or 0) + 3))
    ours = _our_task(file, splits)
    asked = list(ours.builder)
    given = answered(_own(file), ours, asked)
    scored = _our_scores(ours, given)
    _share_modules()
    with _blaming("lm-eval does not load it"):
        theirs = _their_task(file, splits)
    if own is None:
        _compare_examples(_our_task(file, splits, EXAMPLES), theirs)
    with _blaming("lm-eval builds no requests"):
        requests = _their_requests(theirs, own or 0)
    _compare_requests(asked, requests)
    with _blaming("lm-eval cannot score it"):
        their_scores = _their_scores(theirs, given)
    same("number of samples", len(their_scores.samples), len(scored.samples))
    for their_sample, our_sample in zip(their_scores.samples, scored.samples, strict=True):
        same("filter, document, filtered answers, target and scores", their_sample, our_sample)
    same("scores", their_scores.aggregated, scored.aggregated)
    return Outcome(name, "equal", requests=len(requests), varied=scored.vary)


class LmEvalFails(Exception):
    """lm-eval raises where Assay does not; there is nothing to compare with."""


@contextlib.contextmanager
def _blaming(what: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise
    except Exception as error:
        raise LmEvalFails(f"{what}: {type(error).__name__}: {error}") from error


def _their_requests(task: Any, examples: int) -> list[Any]:
    task.set_config(key="num_fewshot", value=examples)
    task.set_fewshot_seed(1234)
    task.build_all_requests(limit=LIMIT)
    return list(task.instances)


def _compare_examples(ours: ConfiguredTask, theirs: Any) -> None:
    """Requests after examples, where lm-eval does not refuse to show any."""
    try:
        requests = _their_requests(theirs, EXAMPLES)
    except Exception:  # noqa: BLE001  # by assertions, and by what its libraries raise
        return
    try:
        asked = list(ours.builder)
    except TaskError as error:
        raise Different(f"only Assay refuses to show examples: {error}") from error
    _compare_requests(asked, requests)


def _compare_requests(asked: Sequence[DocRequests], theirs: Sequence[Any]) -> None:
    ours = [(one.doc_id, *_said(request)) for one in asked for request in one.requests]
    same("number of requests", len(theirs), len(ours))
    for request, instance in zip(ours, theirs, strict=True):
        same("document, kind and arguments", (instance.doc_id, instance.request_type, instance.args), request)


def _said(request: Request) -> tuple[str, tuple[Any, ...]]:
    """Kind and arguments, as lm-eval has them; the seed of sampled generations is Assay's."""
    match request.kind:
        case "loglikelihood":
            return request.kind, (request.prompt, request.continuation)
        case "loglikelihood_rolling":
            return request.kind, (request.prompt,)
        case "generate_until":
            unseeded = {key: value for key, value in request.generation.items() if key != "seed"}
            return request.kind, (request.prompt, unseeded)


def _our_scores(task: ConfiguredTask, given: Sequence[Answered]) -> Scored:
    samples = list(task.scorer.samples(given))
    with mock.patch.object(scorer, "stderr", partial(stderr, iterations=RESAMPLES)):
        aggregated = task.scorer.aggregate(samples, compat=True)
    values: dict[str, Any] = {}
    for one in aggregated:
        values[f"{one.metric},{one.filter}"] = one.value
        values[f"{one.metric}_stderr,{one.filter}"] = "N/A" if one.stderr is None else one.stderr
    said = [
        (one.filter, one.answered.asked.doc_id, list(one.filtered), one.target, one.scores) for one in samples
    ]
    return Scored(said, values)


def _their_scores(task: Any, given: Sequence[Answered]) -> Scored:
    from lm_eval.evaluator_utils import _compute_task_aggregations

    by_doc: dict[int, list[Any]] = defaultdict(list)
    responses = (repeats for one in given for repeats in one.responses)
    for instance, repeats in zip(task.instances, responses, strict=True):
        instance.resps = [_plain(instance.request_type, response) for response in repeats]
        by_doc[instance.doc_id].append(instance)
    task.apply_filters()
    samples: list[tuple[Any, ...]] = []
    raw: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for name in task.instances[0].filtered_resps:
        for doc_id, doc in task.doc_iterator(limit=LIMIT):
            filtered = [instance.filtered_resps[name] for instance in by_doc[doc_id]]
            scores = task.process_results(doc, filtered)
            samples.append((name, doc_id, filtered, task.doc_to_target(doc), scores))
            for metric, score in scores.items():
                raw[metric, name].append(score)
    return Scored(samples, _compute_task_aggregations(task, raw, RESAMPLES)[0])


def _plain(kind: str, response: Response) -> Any:
    match kind:
        case "loglikelihood":
            return response.logprob, response.is_greedy
        case "loglikelihood_rolling":
            return response.logprob
    return response.text
