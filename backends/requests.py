"""What is asked of a model and what it says: `Request` with `Attachment`s, and `Response` with its `Call`.

All are plain frozen values. A request carries no task, document or position: its digest is its identity,
so that the same question is asked once, whoever asks it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import time
from typing import Any, Literal, get_args

from backends.chat import Chat, looks_like_chat

RequestKind = Literal["loglikelihood", "loglikelihood_rolling", "generate_until"]
ALL_KINDS: frozenset[RequestKind] = frozenset(get_args(RequestKind))
MediaKind = Literal["image", "audio"]
Status = Literal["answer", "truncated", "refused", "failed", "skipped"]

SCORABLE = frozenset[Status](("answer", "truncated", "refused"))
NO_GENERATION: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Attachment:
    """An image or a sound that goes with a prompt, as a file without loss.

    media_type: what the file is (`image/png`, `audio/wav`, ...).
    digest: sha256 of the file, as hex; attachments with equal digests are equal.
    load: reads the file, which stays where it is until a backend wants it.
    """

    kind: MediaKind
    media_type: str
    digest: str
    load: Callable[[], bytes] = field(compare=False, repr=False)

    @classmethod
    def of(cls, kind: MediaKind, media_type: str, content: bytes) -> "Attachment":
        return cls(kind, media_type, hashlib.sha256(content).hexdigest(), lambda: content)


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked of a model.

    prompt: the context of a log-likelihood (may be empty), the whole text of a rolling one, or what a
        generation goes on from: a text, or a chat where the backend is asked chats as they are.
    continuation: the text whose log-likelihood after `prompt` is asked; only for `loglikelihood`.
    generation: parameters of `generate_until` as the task gives them (`until`, `max_gen_toks`,
        `temperature`, `do_sample`, ...); only JSON values.
    repeat: which of several equal askings this is; 0 for the first.
    attachments: what the prompt refers to, those of each kind in the order of their marks in it (`<image>`).
    draw: which of a task's equal requests for a drawn text this is, in the order of its documents, since each
        document gets a text of its own; 0 for the first.
    """

    kind: RequestKind
    prompt: str | Chat
    continuation: str = ""
    generation: Mapping[str, Any] = field(default_factory=lambda: NO_GENERATION)
    repeat: int = 0
    attachments: tuple[Attachment, ...] = ()
    draw: int = 0

    def digest(self) -> str:
        """The request's identity: 32 hex digits over its canonical JSON."""
        content: list[Any] = [
            self.kind,
            self._prompt_identity,
            self.continuation,
            self.generation,
            self.repeat,
        ]
        if self.attachments:
            content.append([[attachment.kind, attachment.digest] for attachment in self.attachments])
        if self.draw:
            content.append({"draw": self.draw})
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def prompt_text(self) -> str:
        """The prompt as one text, as it is measured and shown; of a chat its messages as JSON."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt.as_text()

    @property
    def _prompt_identity(self) -> Any:
        """A text is itself. So is, in its JSON, a chat of texts, since answers to chats were first stored
        under that; a text that looks like one was sent as messages then, and is another question now."""
        if isinstance(self.prompt, str):
            return {"text": self.prompt} if looks_like_chat(self.prompt) else self.prompt
        return self.prompt.as_text() if self.prompt.is_plain else {"chat": self.prompt.to_dict()}


@dataclass(frozen=True, slots=True)
class Call:
    """How a response came about: who answered, when, after how many tries.

    enqueued: when it was the request's turn among those of its run, in seconds since 1970. The other times
        are seconds after that, by a clock that never jumps.
    started: when the try that was answered was sent; before it, the request waited or failed.
    first_token: when the first token came, where the answer was streamed; else None.
    finished: when the answer was complete.
    tokens_cached: those of the prompt's tokens that the endpoint did not have to read again.
    counted: whether the endpoint counted the tokens, or they are an estimate because it did not or its count
        cannot be right.
    attempts: how many tries it took; failures: what became of those that failed, by kind.
    asked: the model that was asked, as `backend:name`; model: what it calls itself. system_fingerprint: the
        provider's name of the configuration it ran with; of a stored answer it is not kept, only counted.
    endpoint: the address that answered, without secrets.
    http_status: of the answer; 0 where there was no HTTP.
    """

    enqueued: float
    started: float = 0.0
    first_token: float | None = None
    finished: float = 0.0
    tokens_cached: int = 0
    counted: bool = True
    attempts: int = 1
    failures: tuple[str, ...] = ()
    asked: str = ""
    endpoint: str = ""
    model: str = ""
    http_status: int = 0
    system_fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for one request.

    status: `answer`, `truncated` (a generation that ended at its token limit) and `refused` (the model or who
        offers it declined; the text is what was said, often nothing) are what the model does and are scored;
        `failed` and `skipped` (never asked: a budget was spent) are not and lower the coverage.
    logprob: the summed natural log-probability of the continuation or text.
    is_greedy: whether each token of the continuation is the model's most probable one.
    text: the generated text, cut before the first stop sequence.
    thinking: what the model wrote before its answer, where a mark parts the two (`backends.text.thinking`);
        None where it did not think.
    cut_while_thinking: whether it was truncated before that mark: all of it is thinking, and the text empty.
    tokens_in, tokens_out: tokens read and written for this request, as the backend counts them.
    prompt_cut: tokens of the prompt's beginning that the model did not read, since all of it was too long.
    seconds: wall time of the call that answered it; of a batch its share.
    error: why there is no answer, for the other statuses; of a refusal, what was said of it.
    call: how it came about, where it was asked for alone.
    """

    status: Status = "answer"
    logprob: float | None = None
    is_greedy: bool | None = None
    text: str | None = None
    thinking: str | None = None
    cut_while_thinking: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    error: str | None = None
    call: Call | None = None
    prompt_cut: int = 0

    @property
    def is_scorable(self) -> bool:
        return self.status in SCORABLE


def of_batch(responses: Sequence[Response], seconds: float) -> list[Response]:
    """Responses that just came of one batch, on which so much time was spent: each has its share of that, and
    came about in all of it."""
    call = Call(enqueued=time() - seconds, finished=seconds)
    return [replace(one, seconds=seconds / len(responses), call=call) for one in responses]
