"""What the tests ask, and what the stand-in server's model says to it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from backends.endpoints.backend import EndpointBackend
from backends.endpoints.dialect import Dialect
from backends.endpoints.prompt import Generation, size_of
from backends.endpoints.question import Question
from backends.endpoints.scored_prompt import TextScoring, TokenScoring
from backends.protocol import UNBOUND, AskContext, Backend, ask
from backends.requests import Call, Request, Response
from backends.text.generation_settings import settings_of
from tests.support.endpoints.answers import chat_prompt, text_for

# Opens a model at the stand-in server: the fixture `opened` of tests/backends.
Open = Callable[..., EndpointBackend]
# Waits of tests; those of users are fifty times as long.
QUICK = {"backoff": 0.01, "timeout": 5}


def questions(count: int, start: int = 0) -> list[Request]:
    return [Request("generate_until", f"Question {number}?") for number in range(start, start + count)]


def truth(request: Request) -> str:
    """What a chat says to a request."""
    return text_for(chat_prompt([{"role": "user", "content": request.prompt}]))


def answers(backend: Backend, requests: Sequence[Request], context: AskContext = UNBOUND) -> list[Response]:
    """The responses in the requests' order; each came exactly once."""
    found = [answer for batch in ask(backend, requests, context) for answer in batch]
    assert sorted(position for position, _ in found) == list(range(len(requests)))
    return [response for _, response in sorted(found, key=lambda answer: answer[0])]


def calls(responses: Iterable[Response]) -> list[Call]:
    return [call_of(response) for response in responses]


def call_of(response: Response) -> Call:
    assert response.call is not None
    return response.call


def text_question(dialect: Dialect, prompt: str, **generation: Any) -> Question:
    """How a dialect asks for a text."""
    request = Request("generate_until", prompt, generation=generation)
    asked = Generation(prompt, size_of(prompt), settings_of(generation, eos=None), seed=0)
    return dialect.question(request, asked)


def score_question(dialect: Dialect, scoring: TextScoring | TokenScoring) -> Question:
    """How a dialect asks for a log-likelihood."""
    return dialect.question(Request("loglikelihood", "", ""), scoring)
