"""One model at one endpoint: which questions requests become, and the route that answers them."""

import asyncio
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from backends.calls.endpoint_options import EndpointOptions
from backends.calls.gate import Gate, GatePolicy, gate_for
from backends.calls.http import Http
from backends.calls.loop import engine_loop
from backends.calls.retry import RetryPolicy
from backends.chat import ChatMessage
from backends.endpoints.dialect import Dialect
from backends.endpoints.parameters import Parameters
from backends.endpoints.probe import check_logprobs, greet
from backends.endpoints.prompt import Generation, Prompt, size_of
from backends.endpoints.question import Question
from backends.endpoints.scored_prompt import TextScoring, TokenScoring
from backends.endpoints.timed_call import Answerer
from backends.errors import BackendError
from backends.model_files.chat_template import rendered_requests
from backends.model_files.tokenization import Query, Unanswerable
from backends.model_files.tokens import EndpointTokens
from backends.money.prices import Offer
from backends.protocol import positions_by_kind
from backends.requests import Request, RequestKind, Response
from backends.text.generation_settings import settings_of

# Raise when the same request would be put to an endpoint in another way than before.
BEHAVIOUR = "1"

# More than there are repeats; and how many seeds there are, wherever they are kept in 32 bits with a sign.
_SEEDS_A_DRAW = 10_000
_SEEDS = 1 << 31
_HELLO = Request("generate_until", "Hello")
# About as many as a token has.
_TOKEN_BYTES = 4


@dataclass(frozen=True)
class Remote:
    """One model at one endpoint.

    account: what tells one key from another, and is none. tokens: the model's tokenizer, where it is known.
    version: of the endpoint's interface, where it is not the usual one.
    """

    dialect: Dialect
    http: Http
    options: EndpointOptions
    account: str
    tokens: EndpointTokens | None = None
    version: str = ""

    @cached_property
    def fingerprint(self) -> Mapping[str, str]:
        return {
            "backend": self.dialect.name,
            "behaviour": BEHAVIOUR,
            "endpoint": self.http.base_url,
            "model": self.dialect.model,
            "tokenizer": "the endpoint's" if self.tokens is None else self.tokens.identity,
            "max_length": "default" if self.options.max_length is None else str(self.options.max_length),
            "extra_body": json.dumps(self.options.extra_body, sort_keys=True),
            **self._chosen,
        }

    @property
    def _chosen(self) -> Mapping[str, str]:
        """What else decides who answers, where it is given."""
        headers = self.options.open_headers
        own = {"headers": json.dumps(headers, sort_keys=True)} if headers else {}
        return {**own, **({"version": self.version} if self.version else {})}

    @property
    def kinds(self) -> frozenset[RequestKind]:
        """What can be asked. A text scored as a whole needs a first token to follow, hence a tokenizer."""
        without = () if self.tokens is not None else ("loglikelihood_rolling",)
        return self.dialect.kinds - frozenset(without)

    @property
    def asked(self) -> str:
        """The model as `backend:name`."""
        return f"{self.dialect.name}:{self.dialect.model}"

    @property
    def offer(self) -> Offer:
        return Offer(self.asked, self.dialect.model, self.http.base_url)

    @property
    def instead(self) -> str:
        """What to do where something is not offered."""
        return self.dialect.instead or ("" if self.tokens else "give the option tokenizer")

    def describe(self) -> Mapping[str, Any]:
        """What a reader of results wants to know: the options too, but for headers, which may be secret."""
        options = self.options.model_dump(mode="json", exclude_defaults=True, exclude={"headers"})
        names = {"backend": self.dialect.name, "name": self.dialect.model, "endpoint": self.http.base_url}
        return {**options, **names}

    @cached_property
    def parameters(self) -> Parameters:
        """What of a question's body the endpoint was seen not to take."""
        return Parameters(self.http.say, self.options.extra_body)

    @cached_property
    def answerer(self) -> Answerer:
        return Answerer(self.http, self.options, self.asked, self.parameters)

    @property
    def retry(self) -> RetryPolicy:
        return RetryPolicy.of(self.options)

    @cached_property
    def gate(self) -> Gate:
        """The one gate that all of this process that ask this endpoint with this key go through."""
        return gate_for(self.http.base_url, self.account, GatePolicy.of(self.options))

    def check(self, kinds: Collection[RequestKind]) -> None:
        """Begin anew after a stop, see whether the endpoint is there, and, where log-probabilities are
        wanted, whether its own can be right. Raises Away where nobody answers, and other BackendErrors."""
        engine_loop().start(
            self._check("loglikelihood" in kinds or "loglikelihood_rolling" in kinds)
        ).result()

    async def _check(self, scores: bool) -> None:
        self.gate.revive()
        await greet(self.http, self._path)
        if scores:
            await check_logprobs(self.asked, self._answers)

    def _path(self) -> str:
        """Where texts are asked for."""
        (prompt,) = self._generations([_HELLO])
        return self.question(_HELLO, prompt).path

    async def _answers(self, requests: Sequence[Request]) -> list[Response]:
        """The answers to requests of one question each; what cannot be asked is left out."""
        asked = [
            (request, prompt)
            for request, (prompt,) in zip(requests, self.prompts(requests), strict=True)
            if not isinstance(prompt, Unanswerable)
        ]
        calls = (partial(self.gate.through, partial(self.answer, *one)) for one in asked)
        return await asyncio.gather(*(self.retry.tried(call, lambda _: None) for call in calls))

    def rendered(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str:
        """Messages through the tokenizer's chat template. Raises BackendError where it is not known."""
        if self.tokens is None:
            raise BackendError(f"{self.dialect.model}: a chat template needs the option tokenizer")
        return self.tokens.rendered(messages, continue_final=continue_final)

    def question(self, request: Request, prompt: Prompt) -> Question:
        """The call that a prompt of `prompts` is put in."""
        question = self.dialect.question(request, prompt)
        return replace(question, body=self.parameters.applied(question.body))

    async def answer(self, request: Request, prompt: Prompt) -> Response:
        """Put a prompt of `prompts` to the endpoint. Raises CallFailed."""
        answer = await self.answerer.answer(self.question(request, prompt))
        return replace(answer, prompt_cut=prompt.cut) if prompt.cut else answer

    def prompts(self, requests: Sequence[Request]) -> list[Sequence[Prompt | Unanswerable]]:
        """What is asked for each request: one prompt, but of a long text those of its windows, whose
        log-likelihoods add up to the text's."""
        asked: dict[int, Sequence[Prompt | Unanswerable]] = {}
        if not self.dialect.takes_chats:
            requests = rendered_requests(requests, self.rendered)
        for kind, positions in positions_by_kind(requests).items():
            own = self._prompts(kind, [requests[position] for position in positions])
            asked |= zip(positions, own, strict=True)
        return [asked[position] for position in range(len(requests))]

    def _prompts(
        self, kind: RequestKind, requests: Sequence[Request]
    ) -> Iterator[Sequence[Prompt | Unanswerable]]:
        if kind == "generate_until":
            return ((one,) for one in self._generations(requests))
        if self.tokens is None:
            return ((_text_scoring(request),) for request in requests)
        tokenization = self.tokens.tokenization
        if kind == "loglikelihood":
            return ((_token_scoring(query),) for query in tokenization.queries(requests))
        return ([TokenScoring(query) for query in tokenization.windows(one.prompt_text)] for one in requests)

    def _generations(self, requests: Sequence[Request]) -> Iterator[Generation]:
        settings = [settings_of(request.generation, eos=None) for request in requests]
        texts = [request.prompt_text for request in requests]
        if self.tokens is None or self.dialect.takes_chats:
            for request, text, own in zip(requests, texts, settings, strict=True):
                yield Generation(_sent_text(request), size_of(text), own, _seed_of(request, own.seed))
            return
        prompts = self.tokens.prompts(texts, [own.max_tokens for own in settings])
        for request, prompt, own in zip(requests, prompts, settings, strict=True):
            tokens, size = list(prompt.tokens), _TOKEN_BYTES * len(prompt.tokens)
            yield Generation(tokens, size, own, _seed_of(request, own.seed), prompt.cut)


def _seed_of(request: Request, seed: int) -> int:
    """Another one for each repeat of each of a task's equal requests."""
    seed += request.repeat
    return seed if request.draw == 0 else (seed + _SEEDS_A_DRAW * request.draw) % _SEEDS


def _sent_text(request: Request) -> str:
    return request.prompt if isinstance(request.prompt, str) else ""


def _token_scoring(query: Query | Unanswerable) -> Prompt | Unanswerable:
    return query if isinstance(query, Unanswerable) else TokenScoring(query)


def _text_scoring(request: Request) -> TextScoring:
    """White space at the end of a context belongs to its continuation, as with tokens."""
    context = request.prompt_text.rstrip()
    return TextScoring(context, request.prompt_text[len(context) :] + request.continuation)
