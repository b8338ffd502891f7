"""Models behind endpoints as a backend: requests become questions, and the engine has them answered."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from backends.calls.engine import Engine, Route
from backends.calls.window import places_allowed
from backends.endpoints.endpoint_model import Asked, Remote
from backends.endpoints.messages import ENDPOINTS_OWN, as_prompt
from backends.endpoints.probe import Away
from backends.endpoints.question import Question
from backends.errors import BackendError
from backends.model_files.tokenization import Unanswerable
from backends.money.purse import purse_in_use
from backends.money.reservations import Size
from backends.protocol import Batch, Capabilities, ChatMessage
from backends.requests import Request, RequestKind, Response
from backends.text.rolling import sums

log = logging.getLogger("assay")

# One request, as each of the endpoints that may answer it is asked.
Item = tuple[Question, ...]
# While the last answers of one shard come in, the calls of the next ones fill the places that are free.
SHARDS_AT_ONCE = 3


class EndpointBackend:
    """One model behind an endpoint, or several of which the first that can answers each request.

    remotes: the model, and those that answer in its place while it does not. All decide the answers.
    """

    def __init__(self, *remotes: Remote) -> None:
        self.remotes = remotes

    @property
    def capabilities(self) -> Capabilities:
        """What all of them can be asked."""
        first = self.remotes[0]
        return Capabilities(
            frozenset.intersection(*(remote.kinds for remote in self.remotes)),
            chat_template=first.dialect.takes_messages or first.tokens is not None,
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

    def loglikelihood(self, requests: Sequence[Request]) -> Iterator[Batch]:
        asked = _side_by_side(remote.questions(requests) for remote in self.remotes)
        return self._answers(asked, range(len(requests)))

    def loglikelihood_rolling(self, requests: Sequence[Request]) -> Iterator[Batch]:
        """All windows of all texts at once; a text is answered with its last window."""
        owners: list[int] = []
        items: list[tuple[Asked, ...]] = []
        for number, request in enumerate(requests):
            windows = _side_by_side(remote.windows(request.prompt) for remote in self.remotes)
            if not windows:
                yield [(number, Response(logprob=0.0))]
            items += windows
            owners += [number] * len(windows)
        yield from sums(owners, self._answers(items, owners))

    generate_until = loglikelihood

    def chat_template(self) -> str | None:
        first = self.remotes[0]
        if first.dialect.takes_messages:
            return ENDPOINTS_OWN
        return None if first.tokens is None else first.tokens.template

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str:
        first = self.remotes[0]
        if first.dialect.takes_messages:
            return as_prompt(messages)
        if first.tokens is None:
            raise BackendError(f"{first.dialect.model}: a chat template needs the option tokenizer")
        return first.tokens.rendered(messages, continue_final=continue_final)

    def describe(self) -> Mapping[str, Any]:
        first, *others = (remote.describe() for remote in self.remotes)
        return {**first, **({"fallbacks": others} if others else {})}

    @cached_property
    def _engine(self) -> Engine[Item]:
        routes = [_route(remote, number) for number, remote in enumerate(self.remotes)]
        return Engine(routes, self._calls_at_once)

    @property
    def _calls_at_once(self) -> int:
        return max(remote.options.max_concurrency for remote in self.remotes)

    def _answers(self, asked: Sequence[tuple[Asked, ...]], owners: Sequence[int]) -> Iterator[Batch]:
        """Answers by position; what one of the models cannot be asked has a failure at once.

        owners: for each, the position of the request that it is for.
        """
        refused: Batch = []
        items: dict[int, Item] = {}
        for position, questions in enumerate(asked):
            reasons = [one.reason for one in questions if isinstance(one, Unanswerable)]
            if reasons:
                refused.append((position, Response(status="failed", error=reasons[0])))
            else:
                items[position] = tuple(one for one in questions if isinstance(one, Question))
        if refused:
            yield refused
        positions, purse = list(items), purse_in_use()
        own = None if purse is None else purse.at([owners[position] for position in positions])
        for batch in self._engine.ask(list(items.values()), own, places_allowed()):
            yield [(positions[number], response) for number, response in batch]


def _side_by_side(asked: Iterable[Sequence[Asked]]) -> list[tuple[Asked, ...]]:
    return list(zip(*asked, strict=True))


def _route(remote: Remote, position: int) -> Route[Item]:
    """The way to one of the models; `position` is that of its question in an item."""

    async def call(item: Item) -> Response:
        return await remote.answerer.answer(item[position])

    def size(item: Item) -> Size:
        question = item[position]
        return Size(remote.asked, question.kind, question.prompt_bytes, question.max_tokens)

    return Route(remote.gate, remote.retry, call, size)
