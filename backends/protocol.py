"""What every backend offers, and nothing else is asked of it."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from backends.answer_faults import answers_kind
from backends.chat import Chat, ChatMessage
from backends.money.prices import Offer
from backends.money.purse import Purse
from backends.requests import MediaKind, Request, RequestKind, Response
from backends.stop_sign import LOOK_SECONDS, Sign, Stopped

# Answers as they come: pairs of the request's position in the sequence that was given and its response.
Batch = list[tuple[int, Response]]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can be asked, known before a model is loaded.

    kinds: the request kinds it answers.
    chat_template: whether chats can be asked (`apply_chat_template`) where the model has a template for them,
        which is not looked up here.
    media: what may be attached to a request.
    thinking: whether it parts thinking from answer where a request's generation parameters say
        `end_of_thinking` (`backends.text.thinking`).
    instead: why other kinds are not answered, and what the user can do.
    offers: the models that are paid for, if any. Only a backend with offers asks the context's purse before
        each call; others can be stopped between two batches.
    limits: what the user allows all processes that ask together, by option of the model string.
    shards_at_once: how many shards of requests it works on at the same time; more than one only for backends
        that may be asked from several threads, and that heed themselves whether answers are still wanted
        (`AskContext.stop`), so that none that came is lost.
    drawing: how texts are drawn, where that is not as it was when answers were first stored. It is part of
        the identity of drawn texts, and of no other answers.
    calls_at_once: the most calls to an account that all shards together may have in flight; None where there
        is no account, as of a model of this machine.
    stands: finds out, by trying the model, whether answers that earlier versions of Assay had from it can be
        right; None where there is nothing to find out.
    """

    kinds: frozenset[RequestKind]
    chat_template: bool = False
    media: frozenset[MediaKind] = frozenset()
    thinking: bool = False
    instead: str = ""
    offers: tuple[Offer, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    shards_at_once: int = 1
    drawing: str = ""
    calls_at_once: int | None = None
    stands: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class AskContext:
    """What holds while some requests are asked.

    purse: pays for each of them, by its position; None where nobody counts.
    places: the most of them that may be under way at once; None for as many as the backend allows.
    stop: the sign that their answers are wanted no more; None where they are wanted to the last.
    refuses_cut: whether a prompt that is too long for the model fails, rather than be cut.
    known: by the model that is asked (`Call.asked`), what it calls itself in the answers that are stored. One
        that calls itself otherwise now is asked no more than it takes to see that; empty where it may.
    generation: the name of the generation of answers that these are of; "" for the usual one.
    """

    purse: Purse | None = None
    places: int | None = None
    stop: Sign | None = None
    refuses_cut: bool = False
    known: Mapping[str, Collection[str]] = field(default_factory=dict)
    generation: str = ""

    def at(self, positions: Sequence[int]) -> "AskContext":
        """The context of some of the requests, in another order."""
        return self if self.purse is None else replace(self, purse=self.purse.at(positions))

    @property
    def is_stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()

    def check_going_on(self) -> None:
        """Raise Stopped where answers are wanted no more."""
        if self.is_stopped:
            raise Stopped

    def rest(self, seconds: float) -> None:
        """Sleep; raises Stopped within `LOOK_SECONDS` of the sign."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self.check_going_on()
            time.sleep(min(left, LOOK_SECONDS))


UNBOUND = AskContext()


class Backend(Protocol):
    """One opened model. Its constructor stores; nothing is loaded before it is needed.

    A user's own is such a class, named as `custom:package.module:Class?option=value`; the options are its
    constructor's keywords. Where each answer depends on its request alone, `backends.simple` has the
    rest:

        class Shouting(SimpleBackend):
            fingerprint = {"backend": "shouting", "version": "1"}

            def answer(self, request):
                return Response(text=request.prompt.upper())
    """

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """What decides the model's answers, by name (weights, dtype, ...), without loading the weights.

        Two models with equal fingerprints may answer for each other; batch size or device are not in it.
        """
        ...

    def load(self, kinds: Collection[RequestKind]) -> None:
        """Get ready for requests of these kinds: load what the first would load, have an endpoint show that
        it answers them. Raises BackendError where it will not."""
        ...

    def ask(self, requests: Sequence[Request], context: AskContext) -> Iterator[Batch]:
        """Answers to any number of requests, of any of the kinds that are offered.

        They come in batches as soon as each is there, in any order, every request exactly once. The caller
        makes each batch durable before it asks for the next, so a batch is what can be lost when the process
        is killed.
        """
        ...

    def chat_template(self) -> str | None:
        """The text of the chat template in use, or None if the model has none."""
        ...

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str | Chat:
        """What is asked for a chat, of a new assistant turn, or, with `continue_final`, of the last
        (assistant) message, which is gone on with: the text that the model's template makes of the messages,
        or the chat as it is where an endpoint applies its own."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """What a reader of the results wants to know of the model: parameters, dtype, revision, tokens."""
        ...


def ask(backend: Backend, requests: Sequence[Request], context: AskContext = UNBOUND) -> Iterator[Batch]:
    """The backend's answers, of which what can be none has failed (`backends.answer_faults`). Raises Stopped,
    after what was answered, where answers are wanted no more."""
    for batch in backend.ask(requests, context):
        yield [(position, answers_kind(requests[position].kind, response)) for position, response in batch]
        if backend.capabilities.shards_at_once == 1:
            context.check_going_on()


def positions_by_kind(requests: Sequence[Request]) -> Mapping[RequestKind, list[int]]:
    """Where the requests of each kind are, in the order in which the kinds come first."""
    positions: defaultdict[RequestKind, list[int]] = defaultdict(list)
    for position, request in enumerate(requests):
        positions[request.kind].append(position)
    return positions


def kind_by_kind(
    requests: Sequence[Request], answers: Callable[[RequestKind, Sequence[Request]], Iterator[Batch]]
) -> Iterator[Batch]:
    """Answers by position, those of one kind after those of another."""
    for kind, positions in positions_by_kind(requests).items():
        for batch in answers(kind, [requests[position] for position in positions]):
            yield [(positions[number], response) for number, response in batch]
