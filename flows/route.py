"""Whether a backend can do what tasks need; decided before any model is loaded."""

from backends.protocol import Backend
from backends.requests import RequestKind
from flows.errors import SpecError
from flows.spec import EvaluationSpec
from tasks_lib.config import OutputType
from tasks_lib.selection import Selection

NEEDS: dict[OutputType, RequestKind] = {
    "multiple_choice": "loglikelihood",
    "loglikelihood": "loglikelihood",
    "loglikelihood_rolling": "loglikelihood_rolling",
    "generate_until": "generate_until",
}


def check_route(selection: Selection, backend: Backend, spec: EvaluationSpec) -> None:
    """Raise SpecError where the model cannot be asked what a task asks, or has no chat template to ask by."""
    kinds = backend.capabilities.kinds
    for name, file in selection.tasks.items():
        kind = NEEDS[file.config.output_type]
        if kind not in kinds:
            raise SpecError(f"{name} needs {kind}, which {spec.model} does not offer; leave the task out")
    if spec.apply_chat_template and not (backend.capabilities.chat_template and backend.chat_template()):
        raise SpecError(f"--apply-chat-template: {spec.model} has no chat template")
