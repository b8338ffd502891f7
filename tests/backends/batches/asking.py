"""How batches are asked in tests, here and in a process that is killed."""

import json
import os
import signal
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from backends.model_string import ModelSpec
from backends.protocol import UNBOUND, AskContext, Backend, ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request, Response
from tests.support.endpoints.answers import chat_prompt, text_for
from tests.support.endpoints.endpoint import Endpoint
from tests.support.waiting import until

REQUESTS = [Request("generate_until", f"How many are {number}?") for number in range(12)]
KEY = "sk-very-secret"


def opened(endpoint: Endpoint, home: Path, **options: Any) -> Backend:
    quick: dict[str, Any] = {
        "base_url": endpoint.url,
        "api_key": "env:OPENAI_API_KEY",
        "poll": 0.02,
        "backoff": 0.005,
        **options,
    }
    return open_backend(
        ModelSpec(backend="openai-batch", name="gpt-4o-mini", options=quick), BackendContext(home)
    )


def asked(
    backend: Backend, requests: Sequence[Request] = REQUESTS, context: AskContext = UNBOUND
) -> list[Response]:
    """The responses in the order of their requests; each came once."""
    found = [one for batch in ask(backend, requests, context) for one in batch]
    assert sorted(position for position, _ in found) == list(range(len(requests)))
    return [response for _, response in sorted(found, key=lambda one: one[0])]


def texts(responses: Sequence[Response]) -> list[str | None]:
    return [response.text for response in responses]


def said(requests: Sequence[Request] = REQUESTS) -> list[str]:
    """What the stand-in says to each."""
    return [text_for(chat_prompt([{"role": "user", "content": one.prompt}])) for one in requests]


def remembered(home: Path) -> list[dict[str, Any]]:
    """The files of batches whose answers are not stored."""
    return [json.loads(path.read_text()) for path in (home / "batches").glob("*/*.json")]


def once_each(endpoint: Endpoint, requests: Sequence[Request] = REQUESTS) -> bool:
    """Whether the server was handed each request in one batch only."""
    counts = endpoint.counts()
    return bool(counts["arrived"] == counts["distinct"] == len(requests))


# The child is killed around one of its steps; all of them come in one asking.
CHILD = """
import os, signal, sys
from pathlib import Path
from backends.batches import api
from backends.batches import pending_batches
from tests.backends.batches import asking as test

owner, name, when, url, home = sys.argv[1:]
cls = {"api": api.BatchApi, "pending": pending_batches.PendingBatches}[owner]
step = getattr(cls, name)

def killed(*args):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    step(*args)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(cls, name, killed)
test.child(url, home)
"""


class _At(Endpoint):
    """A server that runs already, by its address."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.port = int(url.split(":")[2].split("/")[0])


def child(url: str, home: str) -> None:
    """What the process that is killed does: ask, and store what comes."""
    for batch in ask(opened(_At(url), Path(home)), REQUESTS):
        store(Path(home), batch)


def store(home: Path, batch: Sequence[tuple[int, Response]]) -> None:
    with (home / "stored.txt").open("a") as file:
        file.writelines(f"{position}\n" for position, _ in batch)


def stored(home: Path) -> set[int]:
    path = home / "stored.txt"
    return {int(line) for line in path.read_text().splitlines()} if path.exists() else set()


def only(home: Path) -> list[dict[str, Any]]:
    """The same while they may be written, at least one."""
    with suppress(FileNotFoundError):
        return remembered(home) or [{"failures": {}, "batch": None}]
    return [{"failures": {}, "batch": None}]


def with_limit(request: Request, tokens: int) -> Request:
    return Request(request.kind, request.prompt, generation={"max_gen_toks": tokens})


def ask_and_stop(backend: Backend) -> None:
    """Asks, and goes away with the first answers."""
    with closing(ask(backend, REQUESTS)) as answers:  # type: ignore[type-var]
        next(answers)


def interrupt_when(happened: Callable[[], object]) -> None:
    assert until(happened)
    os.kill(os.getpid(), signal.SIGINT)


def interrupted_after(step: Callable[..., str]) -> Callable[..., str]:
    def call(*args: Any) -> str:
        step(*args)
        raise InterruptedError

    return call


def call(endpoint: Endpoint, method: str, path: str) -> Any:
    asking = urllib.request.Request(endpoint.url + path, method=method)
    with urllib.request.urlopen(asking, timeout=10) as answer:
        return json.load(answer)
