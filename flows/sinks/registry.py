"""Which sinks there are, and from a sink's text to the sink; nothing is imported that is not asked for."""

import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from pydantic import ValidationError

from backends.errors import BackendError
from backends.keys import shown
from backends.model_string import ModelSpec
from backends.registry import load_object
from flows.common.errors import SpecError
from flows.sinks.sink import Sink
from flows.storage.files import Place
from metrics.errors import nearest_or_all


@dataclass(frozen=True, slots=True)
class Entry:
    """opens: import path of the class. package: what it needs, as an import name. extra: what brings that."""

    opens: str
    package: str
    extra: str
    example: str


SINKS: Mapping[str, Entry] = {
    "hub": Entry("flows.sinks.hub:HubSink", "huggingface_hub", "hub", "hub:my-org/my-evaluations"),
    "wandb": Entry("flows.sinks.wandb:WandbSink", "wandb", "wandb", "wandb:my-project"),
    "mlflow": Entry("flows.sinks.mlflow:MlflowSink", "mlflow", "mlflow", "mlflow:my-experiment"),
    "tensorboard": Entry(
        "flows.sinks.tensorboard:TensorBoardSink", "tensorboardX", "tensorboard", "tensorboard:my-folder"
    ),
}


# A sink of one's own: its name is the import path of its class, as of a backend.
CUSTOM, _CUSTOM_EXAMPLE = "custom", "custom:my_package.my_module:MySink?option=value"


def open_sink(text: str) -> Sink:
    """The sink that a text names. Raises SpecError for a kind, class or option there is not."""
    kind, name, options = _parts(text)
    where = f"{kind}:{name}"  # without options, which may hold a key
    opened: type[Sink] = _custom_class(name) if kind == CUSTOM else load_object(SINKS[kind].opens)
    try:
        return opened.model_validate({**options, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = opened.model_fields.keys() - {"name"}
            what = name if kind == CUSTOM else kind
            raise SpecError(
                f"{where}: {what} has no option {shown(key)}; {nearest_or_all(key, known)}"
            ) from error
        raise SpecError(f"{where}: {key}: {first['msg'].removeprefix('Value error, ')}") from error


def _custom_class(path: str) -> type[Sink]:
    try:
        found = load_object(path)
    except BackendError as error:
        raise SpecError(f"{CUSTOM}:{path}: {error}") from error
    if not (inspect.isclass(found) and issubclass(found, Sink)):
        raise SpecError(f"{CUSTOM}:{path}: {path} is no sink; a sink is a class below flows.sinks.sink.Sink")
    return found


def check_sinks(texts: Sequence[str], model: ModelSpec) -> None:
    """Raise SpecError where it is plain, without a call, that a run of the model cannot be published."""
    for text in texts:
        check_sink(text, model)


def check_sink(text: str, model: ModelSpec) -> None:
    """As `check_sinks`, of one."""
    entry = SINKS.get(_parts(text)[0])
    if entry is not None and importlib.util.find_spec(entry.package) is None:
        install = f"pip install 'assay-eval[{entry.extra}]'"
        raise SpecError(f"{text.partition('?')[0]}: needs {entry.package}; install with: {install}")
    open_sink(text).check(model)


def publish_run(folder: str | Place, to: str) -> str:
    """See `flows.publish.publish`."""
    from flows.results.evaluation_result import EvaluationResult
    from flows.results.run_folder import RunFolder

    result = EvaluationResult.open(folder)
    check_sink(to, RunFolder(result.folder).read_model())
    return open_sink(to).publish(result)


def _parts(text: str) -> tuple[str, str, dict[str, str]]:
    """Kind, name and options."""
    address, question, query = text.partition("?")
    kind, _, name = address.partition(":")
    where = shown(address).strip("'")  # without options, which may hold a key
    if kind not in (*SINKS, CUSTOM):
        raise SpecError(f"{where}: there is no sink {shown(kind)}; {nearest_or_all(kind, (*SINKS, CUSTOM))}")
    if not name:
        example = _CUSTOM_EXAMPLE if kind == CUSTOM else SINKS[kind].example
        raise SpecError(f"{where}: say where to, as {example}")
    try:
        options = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(question))
    except ValueError as error:
        raise SpecError(f"{where}: write options as key=value and join them with &") from error
    if len(dict(options)) < len(options) or "name" in dict(options):
        raise SpecError(f"{where}: an option stands there twice")
    return kind, unquote(name), dict(options)
