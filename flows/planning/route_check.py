"""Whether a backend can do what tasks need; decided before any model is loaded."""

import logging
from collections.abc import Collection

from backends.protocol import Backend
from backends.requests import MediaKind, RequestKind
from flows.common.errors import SpecError
from flows.specs.evaluation import EvaluationSpec
from metrics.errors import MetricError
from metrics.sandbox.unconfined import Unconfined
from metrics.scores.metric import OutputType
from tasks_lib.catalog.selection import Selection
from tasks_lib.code.answers_as_code import AnswersAsCode, RunBy
from tasks_lib.prompts.media import media_of

NEEDS: dict[OutputType, RequestKind] = {
    "multiple_choice": "loglikelihood",
    "loglikelihood": "loglikelihood",
    "loglikelihood_rolling": "loglikelihood_rolling",
    "generate_until": "generate_until",
}
log = logging.getLogger("assay")

MEDIA: dict[MediaKind, str] = {"image": "images", "audio": "sound"}


def check_route(selection: Selection, backend: Backend, spec: EvaluationSpec) -> None:
    """Raise SpecError where the model cannot be asked what a task asks, or as the spec wants it asked, or
    would have its code run without leave."""
    code = AnswersAsCode()
    for name, file in selection.tasks.items():
        kinds = {NEEDS[file.config.output_type]} if file.config.output_type else set()
        if problem := not_offered(name, kinds, media_of(file.config), backend, spec):
            raise SpecError(problem)
        _check_sandbox(name, code.run_by(file.config), spec)
    if spec.apply_chat_template and not (backend.capabilities.chat_template and backend.chat_template()):
        raise SpecError(f"--apply-chat-template: {spec.model} has no chat template")
    if spec.end_of_thinking is not None and not backend.capabilities.thinking:
        raise SpecError(f"--end-of-thinking: {spec.model} does not part thinking from answers")


def _check_sandbox(task: str, run_by: RunBy, spec: EvaluationSpec) -> None:
    """Raise SpecError where answers to a task are run as code, have no sandbox, and may not be without."""
    if run_by == "nothing":
        return
    if run_by == "what cannot be held":
        if not spec.allow_unsafe_code:
            raise SpecError(
                f"{task} runs code that the model writes, with what no sandbox here has (docs/security.md): "
                "allow it with --allow-unsafe-code, in a container if the model is not trusted"
            )
        log.warning("%s runs code that the model writes, without a sandbox", task)
        return
    try:
        found = spec.wanted_sandbox.found()
    except MetricError as error:
        raise SpecError(f"{task} runs code that the model writes: {error}") from error
    if isinstance(found, Unconfined):
        log.warning("%s runs code that the model writes, without a sandbox: %s", task, found.because)


def not_offered(
    task: str,
    kinds: Collection[RequestKind],
    media: Collection[MediaKind],
    backend: Backend,
    spec: EvaluationSpec,
) -> str | None:
    """What is wrong with asking the model such requests for a task, if anything is."""
    offered = backend.capabilities
    for kind in sorted(set(kinds) - set(offered.kinds)):
        advice = offered.instead or "leave the task out"
        return f"{task} needs {kind}, which {spec.model} does not offer; {advice}"
    for shown in sorted(set(media) - set(offered.media)):
        return f"{task} shows {MEDIA[shown]}, which {spec.model} does not take; leave the task out"
    return None
