"""Runs, suites and comparisons, held against the policy of this machine before anything is asked."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from backends.calls.key_hosts import is_loopback
from backends.keys import REFERENCES
from backends.model_string import ModelSpec, as_json
from backends.table import CUSTOM
from flows.policy.policy import Policy, resolved
from flows.sinks.registry import CUSTOM as CUSTOM_SINK
from flows.specs.comparison import ComparisonSpec
from flows.specs.evaluation import EvaluationSpec, default_data_roots
from flows.specs.runner_text import Runner
from flows.specs.suite import SuiteSpec
from flows.storage.files import Place, place_of
from flows.storage.home import Home

_VARIABLE, _SECRET = REFERENCES
# What a model string says of its own code, or of that of a server.
_CODE = ("trust_remote_code", "server_args")
_LITELLM = "litellm"
_IMPORT_PATH = re.compile(r"[\w.]+:\w+")


def check_evaluation(spec: EvaluationSpec, home: Home) -> None:
    """Raise SpecError where this machine's policy, if it has one, does not allow a run in this home."""
    policy = Policy.here()
    if policy is None:
        return
    for model in (spec.model, *spec.fallback):
        _check_model(policy, model)
    _check_code(policy, spec)
    for written in (spec.output, spec.shared_folder):
        if written is not None:
            policy.require_place(written, "results in", "output")
    for read in _read_by(spec):
        policy.require_place(read, "to read", "data", "output", also=default_data_roots())
    own = Home.from_environment().root
    if resolved(home.root) != resolved(own):
        policy.require_place(home.root, "the home folder", "store")
    if spec.store is not None:
        _check_store(policy, spec.store, own)
    _check_runner(policy, spec.runner)
    for sink in spec.sinks:
        _check_sink(policy, sink)


def check_suite(spec: SuiteSpec) -> None:
    """As `check_evaluation`, of a suite."""
    policy = Policy.here()
    if policy is None:
        return
    policy.require_place(spec.output, "results in", "output")
    if spec.webhook is not None:
        _check_webhook(policy, spec.webhook)
    for one in spec.models:
        check_evaluation(spec.evaluation(one, spec.output), Home.from_environment())


def check_suite_file(file: Path) -> None:
    """Raise SpecError where the policy does not allow to read a suite's file, before it is read."""
    if policy := Policy.here():
        policy.require_place(file, "to read", "data", "output")


def check_runs(spec: ComparisonSpec) -> None:
    """As `check_evaluation`, of a comparison."""
    if policy := Policy.here():
        for run in spec.runs:
            policy.require_place(run, "to read", "output", "data")
        if spec.output is not None:
            policy.require_place(spec.output, "results in", "output")


def check_run(run: Place) -> None:
    """Raise SpecError where the policy does not allow to read a finished run."""
    if policy := Policy.here():
        policy.require_place(run, "to read", "output", "data")


def check_publishing(run: str | Place, sink: str) -> None:
    """As `check_evaluation`, of a finished run that is published."""
    check_run(place_of(run))
    if policy := Policy.here():
        _check_sink(policy, sink)


def _check_model(policy: Policy, model: ModelSpec) -> None:
    policy.require("backends", model.backend, "the backend")
    if not policy.trusted_code and _runs_code(model):
        raise policy.refusal("trusted_code", f"code that {model.backend}:{model.name} names")
    program = model.options.get("python")
    if program is not None:
        policy.require("programs", str(program), "to start")
    references = list(_references(model.options))
    for reference in references:
        _check_reference(policy, reference)
    address = model.options.get("base_url")
    if address is not None:
        _check_host(policy, "hosts", str(address))
        if references:
            _check_host(policy, "key_hosts", str(address))
    for option, path in _paths(model):
        keys = ("output",) if option == "log" else ("data", "output")
        policy.require_place(path, f"the {option}", *keys)


def _runs_code(model: ModelSpec) -> bool:
    is_code = model.backend == CUSTOM or (
        model.backend == "scripted" and _IMPORT_PATH.fullmatch(model.name) is not None
    )
    return is_code or any(model.options.get(option, False) for option in _CODE)


def _paths(model: ModelSpec) -> Iterator[tuple[str, Path]]:
    """What of a model string is, or may be, a path: by its looks, or because there is such a file."""
    for option, value in {"model": model.name, **model.options}.items():
        if option in ("python", "base_url") or not isinstance(value, str):
            continue
        if option == "log" or _is_path(value):
            yield option, Path(value)


def _is_path(text: str) -> bool:
    is_written_so = text.startswith(("/", "~", ".")) or "/../" in text or text.endswith(".json")
    return is_written_so or _exists(text)


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long, or with a character that no path has
        return False


def _references(value: object) -> Iterator[str]:
    """References to keys in options, headers among them."""
    match value:
        case str() if value.startswith(REFERENCES):
            yield value
        case str() if value.lstrip().startswith(("{", "[")):
            yield from _references(_json(value))
        case Mapping():
            if variable := value.get("api_key_env"):
                yield f"{_VARIABLE}{variable}"
            for inner in value.values():
                yield from _references(inner)
        case list():
            for inner in value:
                yield from _references(inner)
        case _:
            pass


def _json(text: str) -> object:
    try:
        return as_json(text)
    except ValueError:
        return None


def _check_reference(policy: Policy, reference: str) -> None:
    kind, colon, name = reference.partition(":")
    key = "variables" if kind + colon == _VARIABLE else "secrets"
    policy.require(key, name, "the use of")


def _check_host(policy: Policy, key: str, address: str) -> None:
    host = urlsplit(address).hostname or ""
    policy.require(key, "localhost" if is_loopback(host) else host, "the host")


def _check_code(policy: Policy, spec: EvaluationSpec) -> None:
    if spec.trust_task_code and not policy.trusted_code:
        raise policy.refusal("trusted_code", "trust_task_code")
    if policy.unsafe_code:
        return
    if spec.allow_unsafe_code:
        raise policy.refusal("unsafe_code", "allow_unsafe_code")
    if getattr(spec, "sandbox", None) == "none":
        raise policy.refusal("unsafe_code", "sandbox: none")


def _read_by(spec: EvaluationSpec) -> Iterable[Place]:
    """The folders and files that a run reads, beside its model's."""
    yield from spec.data_root
    yield from spec.include_path
    yield from (Path(task) for task in spec.tasks if task.endswith((".yaml", ".yml")) or _exists(task))
    if spec.answers_from is not None:
        yield spec.answers_from


def _check_store(policy: Policy, store: str, home: Path) -> None:
    if store.startswith(REFERENCES):
        _check_reference(policy, store)
    elif "://" in store and not store.startswith("sqlite"):
        policy.require("store", store, "the store")
        _check_host(policy, "hosts", store)
    else:
        file = Path(store.partition(":///")[2] if store.startswith("sqlite") else store)
        policy.require_place(file, "the store", "store", also=[home])


def _check_runner(policy: Policy, text: str) -> None:
    policy.require("runners", text.partition("?")[0], "the runner")
    address = Runner.parse(text).address
    if "://" in address:
        _check_host(policy, "hosts", address)


def _check_sink(policy: Policy, sink: str) -> None:
    kind, _, rest = sink.partition(":")
    name = rest.partition("?")[0]
    policy.require("sinks", f"{kind}:{name}", "to publish to")
    if kind == CUSTOM_SINK and not policy.trusted_code:
        raise policy.refusal("trusted_code", f"code that {kind}:{name} names")
    if kind == "tensorboard":
        policy.require_place(Path(name), "results in", "output")


def _check_webhook(policy: Policy, webhook: str) -> None:
    if webhook.startswith(REFERENCES):
        _check_reference(policy, webhook)
    else:
        _check_host(policy, "hosts", webhook)
