"""One task of lm-eval's catalog on both sides, on the same made-up documents and answers.

Prompts are compared here, below the flow. Scores are compared after runs of `flows.evaluate`
(`tests/parity/through_runs.py`), for which `look` leaves what lm-eval says and the documents and answers.
"""

import contextlib
import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from backends.requests import Request
from flows.storage.home import Home
from metrics.hf_evaluate.code_eval import allowing_code
from metrics.sandbox.pick import NONE
from tasks_lib.ask_options import AskOptions
from tasks_lib.catalog.catalog import Catalog
from tasks_lib.catalog.selection import TaskFile
from tasks_lib.code.trusted_functions import TrustedRoots, installed_catalog
from tasks_lib.context import TaskContext
from tasks_lib.errors import TaskError
from tasks_lib.files.config import TaskConfig
from tasks_lib.prompts.request_builder import DocRequests
from tasks_lib.task import ConfiguredTask, open_task
from tests.parity.bounds import quietly, time_limit
from tests.parity.comparison import Different, same
from tests.parity.known_fields import KNOWN_FIELDS
from tests.parity.lm_eval_side import (
    LIMIT,
    Expected,
    LmEvalFails,
    Splits,
    blaming,
    expected,
    family,
    forget_modules,
    place,
    their_requests,
    their_task,
)
from tests.parity.made_up_answers import answered, check_labels, noted
from tests.parity.observed import Field
from tests.parity.synthetic_documents import NoChoice, attempt_plain, declared, discover

EXAMPLES = 2  # where a task does not say how many
NEVER = {
    r"gpqa_(diamond|extended|main)_n_shot": "shuffles with a generator of its module: lm-eval's own "
    "documents change with every access",
    r"cruxeval_\w+": "starts two processes for each of its sixty answers, which takes minutes",
}


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


@dataclass(frozen=True)
class Looked:
    """A task whose prompts are lm-eval's: its file and documents, and what lm-eval says of the answers that
    were noted."""

    task: str
    path: Path
    splits: Splits
    expected: Expected


def look(name: str, schemas: dict[str, Field], *, forget: bool = False) -> Looked | Outcome:
    """Compare the prompts of one task of the catalog, and have lm-eval score it.

    schemas: of documents, found before; it grows. forget: whether the task's modules are loaded anew, without
    what they remember of tasks before.
    """
    if reason := next((why for pattern, why in NEVER.items() if re.fullmatch(pattern, name)), None):
        return Outcome(name, "not compared", reason)
    try:
        with quietly(), time_limit(), allowing_code(NONE):
            file = catalog().select([name]).tasks[name]
            _refuse_other_kinds(file)
            schema = _schema(file, schemas)
            if forget:
                forget_modules(file.path)
            return _looked(file, schema)
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
    for entry in catalog().entries(pattern):
        if entry.kind == "task" and entry.path is not None:
            found[family(entry.path)].append(entry.name)
    return dict(found)


@cache
def catalog() -> Catalog:
    root = installed_catalog()
    assert root is not None
    return Catalog([root], Home.from_environment().root / "catalog")  # its index serves all processes


# Documents, for both


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
    return next((known for start, known in KNOWN_FIELDS.items() if place(path).startswith(start)), {})


def _attempt(file: TaskFile, split: Callable[[str], Any]) -> Exception | None:
    """Our side alone; what it raised."""
    try:
        task = _our_task(file, Watching(split))
        asked = list(task.builder)
        check_labels(_own(file), task, asked)
        samples = list(task.scorer.samples(answered(_own(file), task, asked)))
        task.scorer.aggregate(samples, compat=True)
        values = defaultdict(set)
        for one in samples:
            for metric, score in one.scores.items():
                values[one.filter, metric].add(repr(score))
        if not any(len(different) > 1 for different in values.values()):
            raise NoChoice
        if _own(file).num_fewshot is None:
            with contextlib.suppress(TaskError):
                list(_our_task(file, Watching(split), EXAMPLES).builder)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001  # it says what the documents lack
        return NoChoice() if "no label of a choice" in str(error) else error
    return None


# Prompts of both sides


def _our_task(file: TaskFile, source: Any, examples: int | None = None) -> ConfiguredTask:
    options = AskOptions(num_fewshot=examples, limit=LIMIT, compat=True)
    task = open_task(file, TaskContext((), TrustedRoots.standard(), options))
    assert isinstance(task, ConfiguredTask)
    task.documents.source = source
    return task


def _looked(file: TaskFile, schema: Field) -> Looked:
    own = _own(file).num_fewshot
    splits = Splits(schema, max(LIMIT, schema.size, (own or 0) + 3))
    ours = _our_task(file, splits)
    asked = list(ours.builder)
    given = noted(answered(_own(file), ours, asked))
    with blaming("lm-eval does not load it"):
        theirs = their_task(file.path, splits)
    if own is None:
        _compare_examples(_our_task(file, splits, EXAMPLES), theirs)
    with blaming("lm-eval builds no requests"):
        requests = their_requests(theirs, own or 0)
    _compare_requests(asked, requests)
    with blaming("lm-eval cannot score it"):
        return Looked(file.config.task, file.path, splits, expected(theirs, given))


def _compare_examples(ours: ConfiguredTask, theirs: Any) -> None:
    """Requests after examples, where lm-eval does not refuse to show any."""
    try:
        requests = their_requests(theirs, EXAMPLES)
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
