"""Backends with a method for each kind of request, as users' own were once written, asked as all are."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, get_args

from backends.chat import Chat, ChatMessage
from backends.protocol import AskContext, Backend, Batch, Capabilities, kind_by_kind
from backends.requests import Request, RequestKind

KINDS: tuple[RequestKind, ...] = get_args(RequestKind)

Method = Callable[[Sequence[Request]], Iterator[Batch]]


def own_methods(cls: type) -> list[RequestKind]:
    """The kinds that a class has a method for, unless that comes from where its `ask` comes from, too."""
    return [
        kind
        for kind in KINDS
        if (defined := next((vars(one) for one in cls.__mro__ if {kind, "ask"} & vars(one).keys()), None))
        and "ask" not in defined
    ]


class ThreeMethods:
    """A backend that answers requests of some kinds by the methods of their names."""

    def __init__(self, backend: Any, kinds: Collection[RequestKind]) -> None:
        self._backend: Backend = backend
        self._methods: Mapping[RequestKind, Method] = {kind: getattr(backend, kind) for kind in kinds}

    @property
    def capabilities(self) -> Capabilities:
        return self._backend.capabilities

    @property
    def fingerprint(self) -> Mapping[str, str]:
        return self._backend.fingerprint

    def load(self, kinds: Collection[RequestKind]) -> None:
        self._backend.load(kinds)

    def ask(self, requests: Sequence[Request], context: AskContext) -> Iterator[Batch]:
        def answers(kind: RequestKind, own: Sequence[Request]) -> Iterator[Batch]:
            return self._methods[kind](own) if kind in self._methods else self._backend.ask(own, context)

        return kind_by_kind(requests, answers)

    def chat_template(self) -> str | None:
        return self._backend.chat_template()

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str | Chat:
        return self._backend.apply_chat_template(messages, continue_final=continue_final)

    def describe(self) -> Mapping[str, Any]:
        return self._backend.describe()
