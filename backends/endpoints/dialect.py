"""What a dialect is: how requests become questions of one kind of endpoint."""

from collections.abc import Sequence
from typing import Protocol

from backends.endpoints.question import Question
from backends.endpoints.scored_prompt import Scoring
from backends.requests import RequestKind
from backends.text.generation_settings import Settings


class Dialect(Protocol):
    """How one kind of endpoint is asked. A dialect that does not offer a kind is never asked for it."""

    @property
    def name(self) -> str:
        """The backend's, as in a model string."""
        ...

    @property
    def model(self) -> str:
        """The model's, as the endpoint knows it."""
        ...

    @property
    def kinds(self) -> frozenset[RequestKind]: ...

    @property
    def instead(self) -> str:
        """Why the other kinds are not answered, and what to do."""
        ...

    @property
    def takes_messages(self) -> bool:
        """Whether prompts are lists of messages, which the endpoint puts through its own chat template."""
        ...

    def generation(self, prompt: str | Sequence[int], settings: Settings, seed: int) -> Question:
        """Ask for a text that goes on from a prompt, which may be tokens where a tokenizer is known. seed: of
        this very request, where texts are drawn."""
        ...

    def scoring(self, scoring: Scoring) -> Question:
        """Ask for the log-probability of the last part of a prompt."""
        ...
