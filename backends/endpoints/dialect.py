"""What a dialect is: how requests become questions of one kind of endpoint."""

from typing import Protocol

from backends.endpoints.prompt import Prompt
from backends.endpoints.question import Question
from backends.requests import Request, RequestKind


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
    def takes_chats(self) -> bool:
        """Whether it is sent messages, which the endpoint puts through its own chat template."""
        ...

    def question(self, request: Request, prompt: Prompt) -> Question:
        """The call for a request, or for a part of it, built when it goes out; `prompt` is what of the
        request is sent: a `Generation` where a text is asked for, else a `Scoring`."""
        ...
