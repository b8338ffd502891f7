"""How tests of dialects ask: a model string opened, and the answers in the order of the requests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backends.chat import Chat
from backends.model_string import ModelSpec
from backends.protocol import Backend, ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request, Response

SECRET = "sk-very-secret-indeed"


def opened(model: str, home: Path) -> Backend:
    return open_backend(ModelSpec.parse(model), BackendContext(home=home))


def answers(backend: Backend, requests: Sequence[Request], *, is_probed: bool = True) -> list[Response]:
    """As a run asks: it has the endpoint show that it is there, which also ends what an earlier run left.

    is_probed: whether it has to show its log-probabilities, which the stand-in's are not where tokens are
    sent: its texts are in other tokens.
    """
    backend.load({requests[0].kind} if is_probed else {"generate_until"})
    found = dict(pair for batch in ask(backend, requests) for pair in batch)
    return [found[position] for position in range(len(requests))]


def generated(backend: Backend, prompt: str | Chat, **generation: Any) -> Response:
    (response,) = answers(backend, [Request("generate_until", prompt, generation=generation)])
    return response


def scored(backend: Backend, prompt: str, continuation: str, *, is_probed: bool = True) -> Response:
    (response,) = answers(backend, [Request("loglikelihood", prompt, continuation)], is_probed=is_probed)
    return response


def shown(backend: Backend) -> str:
    """All that a backend says of itself."""
    return repr((backend, vars(backend), dict(backend.fingerprint), dict(backend.describe())))
