"""What backends without a neural network share: they answer one request at a time."""

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from backends.chat import Chat, ChatMessage
from backends.errors import BackendError
from backends.protocol import AskContext, Batch, Capabilities, kind_by_kind
from backends.requests import ALL_KINDS, Request, RequestKind, Response, of_batch
from backends.text.stop_sequences import cut_at_stops, stops_of
from backends.text.thinking import without_thinking

ANYTHING = Capabilities(
    ALL_KINDS,
    media=frozenset({"image", "audio"}),
    thinking=True,
)


class SimpleBackend(ABC):
    """A backend whose answer to a request depends on that request alone."""

    batch_size = 64

    @property
    def capabilities(self) -> Capabilities:
        return ANYTHING

    @property
    @abstractmethod
    def fingerprint(self) -> Mapping[str, str]: ...

    def load(self, kinds: Collection[RequestKind]) -> None:  # noqa: B027 - nothing is what most of them load
        """There is nothing to load."""

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """The response to one request of any kind.

        The text of a generation may be all that was written: its thinking is put apart, and it is cut before
        the first stop sequence.
        """

    def answers(self, batch: Sequence[Request]) -> list[Response]:
        """The responses to a batch of one kind, in its order."""
        return [self.answer(request) for request in batch]

    def ask(self, requests: Sequence[Request], context: AskContext) -> Iterator[Batch]:
        return kind_by_kind(requests, lambda _, own: self._batches(own))

    def chat_template(self) -> str | None:
        return None

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str | Chat:
        raise BackendError(f"{self.fingerprint['backend']} has no chat template: leave the chat format out")

    def describe(self) -> Mapping[str, Any]:
        return dict(self.fingerprint)

    def _batches(self, requests: Sequence[Request]) -> Iterator[Batch]:
        for start in range(0, len(requests), self.batch_size):
            batch = requests[start : start + self.batch_size]
            began = time.perf_counter()
            answers = list(map(_finished, batch, self.answers(batch)))
            timed = of_batch(answers, time.perf_counter() - began)
            finished = (own if own.seconds else shared for own, shared in zip(answers, timed, strict=True))
            yield list(enumerate(finished, start))


def _finished(request: Request, response: Response) -> Response:
    cut = partial(cut_at_stops, stops=stops_of(request.generation))
    return without_thinking(response, request.generation, cut)
