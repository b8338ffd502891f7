"""A model whose answers are in the response store, from an earlier run; it is not asked, and may be gone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from backends.chat import Chat, ChatMessage
from backends.protocol import Backend, Capabilities
from backends.requests import Request, Response
from backends.simple.base import ANYTHING, SimpleBackend
from flows.results.evaluation_result import EvaluationResult
from flows.results.results_json import RunRecord
from flows.storage.files import Place


class StoredModel(SimpleBackend):
    """The model as a run's results describe it. What it is asked is skipped.

    folder: of the run. open_model: opens the model itself, which only its chat template wants.
    """

    def __init__(self, folder: Place, open_model: Callable[[], Backend]) -> None:
        self._folder = folder
        self._open_model = open_model

    @property
    def capabilities(self) -> Capabilities:
        return replace(ANYTHING, chat_template=True, drawing=self._run.assay.drawing)

    @property
    def fingerprint(self) -> Mapping[str, str]:
        return self._run.assay.fingerprint

    def answer(self, request: Request) -> Response:
        return Response(status="skipped", error=f"the answer is not among those of {self._folder}")

    def chat_template(self) -> str | None:
        return self._run.chat_template

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str | Chat:
        return self._model.apply_chat_template(messages, continue_final=continue_final)

    def describe(self) -> Mapping[str, object]:
        """What the run's results say; what they say of the run is said anew by whoever asks."""
        return self._run.config

    @cached_property
    def _run(self) -> RunRecord:
        return EvaluationResult.open(self._folder).record

    @cached_property
    def _model(self) -> Backend:
        return self._open_model()
