"""From a model's name to an opened backend: the class is imported, its options checked, nothing loaded."""

import contextlib
import importlib
import importlib.util
import inspect
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, PydanticSchemaGenerationError, TypeAdapter, ValidationError

from backends.calls.secrets import Secrets, no_secrets, secrets_from
from backends.errors import BackendError
from backends.model_string import ModelSpec, Option, written
from backends.protocol import Backend
from backends.table import ANY_NAME, BACKENDS, CUSTOM, BackendEntry
from backends.three_methods import KINDS, ThreeMethods, own_methods
from metrics.errors import nearest_or_all

_PROTOCOL = tuple(name for name in vars(Backend) if not name.startswith("_"))


@dataclass(frozen=True, slots=True)
class BackendContext:
    """What a run gives every backend that takes it; the options of the model string win over it.

    home: the folder for what backends keep (models, caches). secrets: what `secret:NAME` stands for.
    """

    home: Path
    batch_size: int | Literal["auto"] = "auto"
    seed: int = 1234
    secrets: Secrets = no_secrets


def open_backend(spec: ModelSpec, context: BackendContext) -> Backend:
    """The backend of a model, ready to be asked; weights load when they are first needed.

    Raises BackendError for a model or option there is not, an option of the wrong type, a package that is not
    installed and a class that is no backend.
    """
    opener = _opener(spec)
    given = {"name": spec.name, "home": context.home, "batch_size": context.batch_size, "seed": context.seed}
    if spec.backend == CUSTOM:
        del given["name"]  # the import path, which the class knows
    with secrets_from(context.secrets):
        opened = cast(Backend, opener(**_arguments(spec, opener, given)))
    kinds = own_methods(type(opened)) if spec.backend == CUSTOM else []
    return ThreeMethods(opened, kinds) if kinds else opened


def load_object(path: str) -> Any:
    """What an import path `package.module:name` names. Raises BackendError where there is no such thing."""
    module, colon, name = path.partition(":")
    if not (module and colon and name):
        raise BackendError(f"{path!r} is no import path: write package.module:name")
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise BackendError(
                f"{path}: there is no module {error.name}; is its folder on PYTHONPATH?"
            ) from error
        raise
    try:
        return getattr(imported, name)
    except AttributeError as error:
        known = [known for known in vars(imported) if not known.startswith("_")]
        raise BackendError(f"{path}: {module} has no {name}; {nearest_or_all(name, known)}") from error


def _opener(spec: ModelSpec) -> Callable[..., object]:
    if spec.backend == CUSTOM:
        return _custom_class(spec.name)
    entry = BACKENDS[spec.backend]
    path = entry.opens.get(spec.name, entry.opens.get(ANY_NAME))
    if path is None:
        raise BackendError(
            f"{spec.backend} has no model {spec.name!r}; {nearest_or_all(spec.name, entry.opens)}"
        )
    _check_packages(spec, entry)
    return cast(Callable[..., object], load_object(path))


def _check_packages(spec: ModelSpec, entry: BackendEntry) -> None:
    missing = [name for name in entry.packages if importlib.util.find_spec(name) is None]
    if missing:
        raise BackendError(f"{spec.backend}: needs {', '.join(missing)}; install with: {entry.install}")


def _custom_class(path: str) -> type:
    found = load_object(path)
    if not inspect.isclass(found):
        raise BackendError(
            f"custom:{path} is no class; a backend is a class with the methods of backends.protocol"
        )
    offered = {*dir(found), *({"ask"} if set(KINDS) <= set(own_methods(found)) else ())}
    missing = [name for name in _PROTOCOL if name not in offered]
    if missing:
        raise BackendError(
            f"custom:{path} is no backend: it lacks {', '.join(missing)} (see backends/protocol.py)"
        )
    return found


@dataclass(frozen=True, slots=True)
class _Signature:
    """What an opener takes. plain: its parameters, by name, but for `models`, whose fields are options.
    takes_any: whether it takes options that it does not name."""

    plain: Mapping[str, inspect.Parameter]
    models: Mapping[str, type[BaseModel]]
    takes_any: bool

    @classmethod
    def of(cls, opener: Callable[..., object]) -> "_Signature":
        parameters = _parameters(opener)
        named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        models = {one.name: one.annotation for one in named if _is_model(one)}
        plain = {one.name: one for one in named if one.name not in models}
        return cls(plain, models, any(one.kind is one.VAR_KEYWORD for one in parameters))

    @property
    def fields(self) -> set[str]:
        return {field for model in self.models.values() for field in model.model_fields}

    def check(self, spec: ModelSpec, given: Collection[str]) -> None:
        """Raise BackendError for an option that there is not; a model's name is none."""
        settable = (self.plain.keys() - ({"name"} & set(given))) | self.fields
        for key in spec.options:
            is_free = self.takes_any and key not in self.plain and key not in self.models
            if key not in settable and not is_free:
                raise BackendError(f"{_short(spec)} has no option {key!r}; {nearest_or_all(key, settable)}")


def _arguments(
    spec: ModelSpec, opener: Callable[..., object], given: Mapping[str, object]
) -> dict[str, object]:
    """What to call the opener with: what it takes of `given`, and the options, which win."""
    signature = _Signature.of(opener)
    signature.check(spec, given)
    arguments = {name: value for name, value in given.items() if name in signature.plain}
    for key in spec.options.keys() - signature.fields:
        arguments[key] = _fitting(spec, spec.options[key], signature.plain.get(key))
    for name, model in signature.models.items():
        own = {key: value for key, value in spec.options.items() if key in model.model_fields}
        arguments[name] = _validated(spec, model, own)
    for name, parameter in signature.plain.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise BackendError(f"{_short(spec)} needs the option {name!r}: {_short(spec)}?{name}=...")
    return arguments


def _is_model(parameter: inspect.Parameter) -> bool:
    return inspect.isclass(parameter.annotation) and issubclass(parameter.annotation, BaseModel)


def _validated(spec: ModelSpec, model: type[BaseModel], options: Mapping[str, Option]) -> BaseModel:
    """The options as their model; each may be the text that it was in the model string."""
    try:
        return model.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "options"
        message = first["msg"].removeprefix("Value error, ")
        raise BackendError(f"{_short(spec)}: option {name}: {message}") from error


def _parameters(opener: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(opener, eval_str=True).parameters.values())
    except NameError:  # an annotation that only type checkers can resolve
        return list(inspect.signature(opener).parameters.values())


def _fitting(spec: ModelSpec, value: Option, parameter: inspect.Parameter | None) -> object:
    """The value as the parameter's type; where text is wanted, `12` and `true` are the text they were."""
    if parameter is None:
        return value
    annotation = parameter.annotation
    if annotation is parameter.empty or isinstance(annotation, str):
        return value
    try:
        adapter = TypeAdapter[object](annotation)
    except PydanticSchemaGenerationError:  # a type of the user's own: theirs to check
        return value
    text = value if isinstance(value, str) else written(value)
    with contextlib.suppress(ValidationError):
        return adapter.validate_json(json.dumps(value), strict=True)
    with contextlib.suppress(ValidationError):
        return adapter.validate_strings(text)
    wanted = inspect.formatannotation(annotation)
    raise BackendError(f"{_short(spec)}: option {parameter.name}={text} is not of the type {wanted}")


def _short(spec: ModelSpec) -> str:
    return f"{spec.backend}:{spec.name}"
