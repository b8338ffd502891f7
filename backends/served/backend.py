"""A model behind a server of its own: started with the first question, asked as an endpoint, then ended."""

import json
import secrets
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from backends.calls.loop import engine_loop
from backends.chat import ChatMessage
from backends.endpoints.backend import SHARDS_AT_ONCE, EndpointBackend
from backends.endpoints.probe import Away
from backends.model_files.engine_model import EngineModel
from backends.protocol import AskContext, Batch, Capabilities
from backends.requests import ALL_KINDS, Request, RequestKind
from backends.served.options import ServerOptions
from backends.served.server import Command, Server, started

# Raise when the same model, request and options would get another answer than before.
BEHAVIOUR = "1"
_KEY_BYTES = 24
# Seconds between a server's last answer and the end of its processes; more than those take on a busy machine.
_LAST_BREATH = 2.0


class ServedBackend:
    """Any model that a server can load; what is asked and how it is read is as for endpoints, in tokens.

    kind: the backend's name. command: how the server is started, by its port and the key it is to ask for.
    reach: the endpoint that it is, by its address and key. extra_body: what of each request's body the user
    says, which may decide answers.
    """

    def __init__(
        self,
        kind: str,
        model: EngineModel,
        options: ServerOptions,
        *,
        command: Callable[[int, str], Command],
        reach: Callable[[str, str], EndpointBackend],
        extra_body: Mapping[str, Any],
    ) -> None:
        self._kind = kind
        self._model = model
        self._options = options
        self._command = command
        self._reach = reach
        self._extra_body = extra_body
        self._starting = threading.Lock()
        self._running: tuple[Server, EndpointBackend] | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(ALL_KINDS, chat_template=True, thinking=True, shards_at_once=SHARDS_AT_ONCE)

    @cached_property
    def fingerprint(self) -> Mapping[str, str]:
        """The model's files and options, and all that is passed on, which may decide answers; not where the
        server is."""
        return {
            "backend": self._kind,
            "behaviour": BEHAVIOUR,
            **self._model.identity,
            "server_args": json.dumps(self._options.server_args, sort_keys=True),
            "extra_body": json.dumps(self._extra_body, sort_keys=True),
        }

    def load(self, kinds: Collection[RequestKind]) -> None:
        """Start the server, and see whether it gives what is wanted. Raises BackendError."""
        try:
            self._endpoint().load(kinds)
        except Away:
            if not self._ends():
                raise
            self._endpoint().load(kinds)

    def ask(self, requests: Sequence[Request], context: AskContext) -> Iterator[Batch]:
        return self._endpoint().ask(requests, context)

    def chat_template(self) -> str | None:
        return self._model.tokens.template

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str:
        return self._model.tokens.rendered(messages, continue_final=continue_final)

    def describe(self) -> Mapping[str, Any]:
        more = {"server_args": self._options.server_args, "extra_body": self._extra_body}
        given = {name: value for name, value in more.items() if value}
        return {"backend": self._kind, **self._model.describe(), **given}

    def _endpoint(self) -> EndpointBackend:
        """The running server, which is started when it is first wanted; from any thread."""
        with self._starting:
            if self._running is None or self._running[0].has_ended:
                self._running = self._started()
            return self._running[1]

    def _ends(self) -> bool:
        """Whether a server that answers no more is about to be gone: it stops listening a little before."""
        return self._running is not None and self._running[0].ends_within(_LAST_BREATH)

    def _started(self) -> tuple[Server, EndpointBackend]:
        key = secrets.token_hex(_KEY_BYTES)
        where = f"{self._kind}:{self._model.name}"
        server = started(where, lambda port: self._command(port, key), self._options.start_timeout)
        weakref.finalize(self, server.stop)  # also when the interpreter exits
        endpoint = self._reach(server.address, key)
        server.when_lost(partial(_stop, endpoint))
        return server, endpoint


def _stop(endpoint: EndpointBackend, why: str) -> None:
    """Ask no more: calls that wait for the endpoint to come back would do so in vain."""
    for remote in endpoint.remotes:
        engine_loop().soon(partial(remote.gate.stop, why))
