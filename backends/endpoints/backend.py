"""Models behind endpoints as a backend: the engine has requests answered, each by a question of its own."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from backends.calls.engine import CallEngine, Route
from backends.chat import Chat, ChatMessage
from backends.endpoints.endpoint_model import Remote
from backends.endpoints.identification import Identification
from backends.endpoints.messages import ENDPOINTS_OWN
from backends.endpoints.probe import Away
from backends.endpoints.prompt import Prompt
from backends.model_files.tokenization import Unanswerable, too_long
from backends.money.reservations import Size
from backends.protocol import AskContext, Batch, Capabilities
from backends.requests import Request, RequestKind, Response
from backends.text.rolling import sums

log = logging.getLogger("assay")

# While the last answers of one shard come in, the calls of the next ones fill the places that are free.
SHARDS_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Item:
    """One question's worth of a request. prompts: as each of the endpoints that may answer it is asked."""

    request: Request
    prompts: Sequence[Prompt]


class EndpointBackend:
    """One model behind an endpoint, or several of which the first that can answers each request.

    remotes: the model, and those that answer in its place while it does not. All decide the answers.
    """

    def __init__(self, *remotes: Remote) -> None:
        self.remotes = remotes
        self._identification = Identification(remotes)

    @property
    def capabilities(self) -> Capabilities:
        """What all of them can be asked."""
        first = self.remotes[0]
        return Capabilities(
            frozenset.intersection(*(remote.kinds for remote in self.remotes)),
            chat_template=first.dialect.takes_chats or first.tokens is not None,
            thinking=True,
            instead=next((remote.instead for remote in self.remotes if remote.instead), ""),
            offers=tuple(remote.offer for remote in self.remotes),
            limits=first.options.limits,
            shards_at_once=SHARDS_AT_ONCE,
            calls_at_once=self._calls_at_once,
        )

    @cached_property
    def fingerprint(self) -> Mapping[str, str]:
        first, *others = self.remotes
        return {
            **first.fingerprint,
            **{
                f"fallback {number}: {name}": value
                for number, other in enumerate(others, start=1)
                for name, value in other.fingerprint.items()
            },
        }

    def load(self, kinds: Collection[RequestKind]) -> None:
        """Also where one of several models is away, as long as nothing has to be seen of how it scores."""
        away: list[Away] = []
        for remote in self.remotes:
            try:
                remote.check(kinds)
            except Away as error:
                away.append(error)
                if len(away) == len(self.remotes) or set(kinds) != {"generate_until"}:
                    raise
                log.warning("%s", error)

    def ask(self, requests: Sequence[Request], context: AskContext) -> Iterator[Batch]:
        """Whatever the kinds; all windows of a long text at once, which is answered with its last one."""
        asked = [remote.prompts(requests) for remote in self.remotes]
        answered: Batch = []
        items: list[Item] = []
        owners: list[int] = []
        for position, own in enumerate(zip(*asked, strict=True)):
            reasons = _why_not(own, context.refuses_cut)
            if reasons:
                answered.append((position, Response(status="failed", error=reasons[0])))
            elif not own[0]:
                answered.append((position, Response(logprob=0.0)))
            else:
                for prompts in zip(*own, strict=True):
                    items.append(Item(requests[position], cast(tuple[Prompt, ...], prompts)))
                    owners.append(position)
        if answered:
            yield answered
        identified = self._identification.answers(self._engine.ask, items, context.at(owners))
        yield from sums(requests, owners, identified)

    def chat_template(self) -> str | None:
        first = self.remotes[0]
        if first.dialect.takes_chats:
            return ENDPOINTS_OWN
        return None if first.tokens is None else first.tokens.template

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str | Chat:
        first = self.remotes[0]
        if first.dialect.takes_chats:
            return Chat.of(messages, continued=continue_final)
        return first.rendered(messages, continue_final=continue_final)

    def describe(self) -> Mapping[str, Any]:
        first, *others = (remote.describe() for remote in self.remotes)
        return {**first, **({"fallbacks": others} if others else {})}

    @cached_property
    def _engine(self) -> CallEngine[Item]:
        routes = [_route(remote, number) for number, remote in enumerate(self.remotes)]
        return CallEngine(routes, self._calls_at_once)

    @property
    def _calls_at_once(self) -> int:
        return max(remote.options.max_concurrency for remote in self.remotes)


def _why_not(asked: Sequence[Sequence[Prompt | Unanswerable]], refuses_cut: bool) -> list[str]:
    """What keeps a request from being asked. asked: its prompts, of each of the models."""
    every = [one for prompts in asked for one in prompts]
    reasons = [one.reason for one in every if isinstance(one, Unanswerable)]
    cut = [one.cut for one in every if not isinstance(one, Unanswerable) and one.cut]
    return reasons or ([too_long(max(cut)).reason] if cut and refuses_cut else [])


def _route(remote: Remote, number: int) -> Route[Item]:
    """The way to one of the models; `number` is that of its prompt in an item."""

    async def call(item: Item) -> Response:
        return await remote.answer(item.request, item.prompts[number])

    def size(item: Item) -> Size:
        prompt = item.prompts[number]
        return Size(remote.asked, prompt.length_class, prompt.prompt_bytes, prompt.max_tokens)

    return Route(remote.gate, remote.retry, call, size)
