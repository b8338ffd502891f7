"""A model that is asked in batches, as a backend."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from backends.batches.api import BatchApi
from backends.batches.options import BatchOptions
from backends.batches.payments import BatchedRequest, Payments
from backends.batches.pending_batches import PendingBatches
from backends.batches.reading import Reader
from backends.batches.submission import ModelBatches, Submission
from backends.chat import Chat, ChatMessage
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.endpoint_model import Remote
from backends.identity import fingerprint_key
from backends.model_files.tokenization import Unanswerable
from backends.protocol import AskContext, Batch, Capabilities
from backends.requests import Request, RequestKind

# A batch may take a day whatever its size, so all there is is handed in at once: as many shards as a run with
# tens of thousands of requests has. Waiting costs a thread and a look for each.
SHARDS_AT_ONCE = 64
# Of the listed price, which is what waiting is for.
_SHARE_OF_PRICE = 0.5


class BatchBackend:
    """One model behind OpenAI's Batch API. What was handed in is remembered under `<home>/batches`."""

    def __init__(self, remote: Remote, options: BatchOptions, home: Path) -> None:
        self._remote = remote
        self._options = options
        self._home = home
        self._single = EndpointBackend(remote)
        self._batches = cache(self._batches_of)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            self._remote.kinds,
            chat_template=True,
            thinking=True,
            instead=self._remote.instead,
            offers=(replace(self._remote.offer, share=_SHARE_OF_PRICE),),
            shards_at_once=SHARDS_AT_ONCE,
        )

    @property
    def fingerprint(self) -> Mapping[str, str]:
        return self._single.fingerprint

    def load(self, kinds: Collection[RequestKind]) -> None:
        self._single.load(kinds)

    def ask(self, requests: Sequence[Request], context: AskContext) -> Iterator[Batch]:
        """Equal requests are asked once. What was handed in before, by whomever, is waited for."""
        positions: defaultdict[str, list[int]] = defaultdict(list)
        for position, request in enumerate(requests):
            positions[request.digest()].append(position)
        distinct = [requests[own[0]] for own in positions.values()]
        wanted = {}
        for request, (prompt,), (digest, own) in zip(
            distinct, self._remote.prompts(distinct), positions.items(), strict=True
        ):
            assert not isinstance(prompt, Unanswerable), "a chat takes every prompt"
            wanted[digest] = BatchedRequest(request, prompt, tuple(own))
        payments = Payments(context.purse, self._remote.asked)
        yield from Submission(self._batches(context.generation), wanted, payments, context).answers()

    def chat_template(self) -> str | None:
        return self._single.chat_template()

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str | Chat:
        return self._single.apply_chat_template(messages, continue_final=continue_final)

    def describe(self) -> Mapping[str, Any]:
        return self._single.describe()

    def _batches_of(self, generation: str) -> ModelBatches:
        """Those of a generation of answers: one that is asked anew waits for none of another."""
        own = {"asked anew": generation} if generation else {}
        folder = self._home / "batches" / fingerprint_key({**self.fingerprint, **own})
        return ModelBatches(
            BatchApi(self._remote.http, self._options),
            PendingBatches(folder),
            Reader(self._remote.http, self._remote.asked),
            self._remote.question,
            self._remote.parameters,
            self._options,
        )
