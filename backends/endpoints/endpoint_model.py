"""One model at one endpoint: which questions requests become, and the route that answers them."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from backends.calls.endpoint_options import EndpointOptions
from backends.calls.gate import Gate, GatePolicy, gate_for
from backends.calls.http import Http
from backends.calls.loop import engine_loop
from backends.calls.retry import RetryPolicy
from backends.endpoints.dialect import Dialect
from backends.endpoints.probe import check_logprobs, greet
from backends.endpoints.question import Question
from backends.endpoints.scored_prompt import TextScoring, TokenScoring
from backends.endpoints.timed_call import Answerer
from backends.model_files.tokenization import Query, Unanswerable
from backends.model_files.tokens import EndpointTokens
from backends.money.prices import Offer
from backends.protocol import positions_by_kind
from backends.requests import Request, RequestKind, Response
from backends.text.generation_settings import Settings, settings_of

# Raise when the same request would be put to an endpoint in another way than before.
BEHAVIOUR = "1"

Asked = Question | Unanswerable


@dataclass(frozen=True)
class Remote:
    """One model at one endpoint.

    account: what tells one key from another, and is none. tokens: the model's tokenizer, where it is known.
    """

    dialect: Dialect
    http: Http
    options: EndpointOptions
    account: str
    tokens: EndpointTokens | None = None

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
        }

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
    def answerer(self) -> Answerer:
        return Answerer(self.http, self.options, self.asked)

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
        await greet(self.http)
        if scores:
            await check_logprobs(self.asked, self._single_questions, self._answer)

    async def _answer(self, question: Question) -> Response:
        retrying = self.retry.retrying(lambda _: None)
        response: Response = await retrying(self.gate.through, partial(self.answerer.answer, question))
        return response

    def questions(self, requests: Sequence[Request]) -> list[Sequence[Asked]]:
        """What is asked for each request: one question, but of a long text those of its windows, whose
        log-likelihoods add up to the text's."""
        asked: dict[int, Sequence[Asked]] = {}
        for kind, positions in positions_by_kind(requests).items():
            own = self._questions(kind, [requests[position] for position in positions])
            asked |= zip(positions, own, strict=True)
        return [asked[position] for position in range(len(requests))]

    def _single_questions(self, requests: Sequence[Request]) -> list[Asked]:
        return [question for (question,) in self.questions(requests)]

    def _questions(self, kind: RequestKind, requests: Sequence[Request]) -> Iterator[Sequence[Asked]]:
        if kind == "generate_until":
            return ((one,) for one in self._generations(requests))
        if self.tokens is None:
            return ((self._text_scoring(request),) for request in requests)
        tokenization = self.tokens.tokenization
        if kind == "loglikelihood":
            return ((self._scoring(query),) for query in tokenization.queries(requests))
        return ([self._scoring(query) for query in tokenization.windows(one.prompt)] for one in requests)

    def _generations(self, requests: Sequence[Request]) -> list[Asked]:
        settings = [settings_of(request.generation, eos=None) for request in requests]
        prompts = self._prompts(requests, settings)
        return [
            self.dialect.generation(prompt, own, own.seed + request.repeat)
            for request, prompt, own in zip(requests, prompts, settings, strict=True)
        ]

    def _prompts(
        self, requests: Sequence[Request], settings: Sequence[Settings]
    ) -> Sequence[str | list[int]]:
        if self.tokens is None or self.dialect.takes_messages:
            return [request.prompt for request in requests]
        room = self.tokens.max_length - max((own.max_tokens for own in settings), default=0)
        return self.tokens.prompts([request.prompt for request in requests], room)

    def _scoring(self, query: Query | Unanswerable) -> Asked:
        return query if isinstance(query, Unanswerable) else self.dialect.scoring(TokenScoring(query))

    def _text_scoring(self, request: Request) -> Asked:
        """White space at the end of a context belongs to its continuation, as with tokens."""
        context = request.prompt.rstrip()
        scoring = TextScoring(context, request.prompt[len(context) :] + request.continuation)
        return self.dialect.scoring(scoring)
