"""What every backend offers, and nothing else is asked of it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from backends.requests import MediaKind, Request, RequestKind, Response
from backends.stop import check_going_on

# Answers as they come: pairs of the request's position in the sequence that was given and its response.
Batch = list[tuple[int, Response]]
ChatMessage = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that is paid for by the token.

    asked: as in `Call.asked`. model, address: its name and where it is, by which price lists know it. share:
    of the listed price that is paid (a batch costs half).
    """

    asked: str
    model: str
    address: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can be asked, known before a model is loaded.

    kinds: the request kinds it answers.
    chat_template: whether it can render chat messages to a prompt (`apply_chat_template`) where the model has
        a template for them, which is not looked up here.
    media: what may be attached to a request.
    thinking: whether it parts thinking from answer where a request's generation parameters say
        `end_of_thinking` (`backends.text.thinking`).
    instead: why other kinds are not answered, and what the user can do.
    offers: the models that are paid for, if any. Only a backend with offers asks the purse in use before each
        call (`backends.money.purse`); others can be stopped between two batches.
    limits: what the user allows all processes that ask together, by option of the model string.
    shards_at_once: how many shards of requests it works on at the same time; more than one only for backends
        that may be asked from several threads, and that heed themselves whether answers are still wanted
        (`backends.stop`), so that none that came is lost.
    calls_at_once: the most calls to an account that all shards together may have in flight; None where there
        is no account, as of a model of this machine.
    """

    kinds: frozenset[RequestKind]
    chat_template: bool = False
    media: frozenset[MediaKind] = frozenset()
    thinking: bool = False
    instead: str = ""
    offers: tuple[Offer, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    shards_at_once: int = 1
    calls_at_once: int | None = None


class Backend(Protocol):
    """One opened model. Its constructor stores; nothing is loaded before it is needed.

    The three asking methods take any number of requests of one kind and yield batches of answers as soon as
    each is there, in any order, every request exactly once. The caller makes each batch durable before it
    asks for the next, so a batch is what can be lost when the process is killed.
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

    def loglikelihood(self, requests: Sequence[Request]) -> Iterator[Batch]: ...

    def loglikelihood_rolling(self, requests: Sequence[Request]) -> Iterator[Batch]: ...

    def generate_until(self, requests: Sequence[Request]) -> Iterator[Batch]: ...

    def chat_template(self) -> str | None:
        """The text of the chat template in use, or None if the model has none."""
        ...

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str:
        """Render messages to a prompt: for a new assistant turn, or, with `continue_final`, so that the last
        (assistant) message is gone on with."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """What a reader of the results wants to know of the model: parameters, dtype, revision, tokens."""
        ...


def ask(backend: Backend, requests: Sequence[Request]) -> Iterator[Batch]:
    """Send requests of one kind to the method that answers them. Raises Stopped, after what was answered,
    where answers are wanted no more."""
    methods = {
        "loglikelihood": backend.loglikelihood,
        "loglikelihood_rolling": backend.loglikelihood_rolling,
        "generate_until": backend.generate_until,
    }
    for batch in methods[requests[0].kind](requests):
        yield batch
        if backend.capabilities.shards_at_once == 1:
            check_going_on()
