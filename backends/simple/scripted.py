"""A model whose answers are written down: for tests, demonstrations and trying a task out.

`scripted:answers.json`, `scripted:package.module:function` or the built-in `scripted:hash`.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from backends.chat import ChatMessage
from backends.errors import BackendError
from backends.protocol import Capabilities
from backends.registry import load_object
from backends.requests import Request, RequestKind, Response
from backends.simple.base import ANYTHING, SimpleBackend

Answerer = Callable[[Request], object]
OTHERWISE = "*"
_AUTO_BATCH = 16
_FIELDS = frozenset(field.name for field in fields(Response))


class ScriptedBackend(SimpleBackend):
    """Answers from a table, a function or the request's digest.

    name: one of
        `hash`, whose answers are fixed by the request and `version`;
        a JSON file, an object from prompt (with the continuation joined on, where there is one) to answer,
        where `*` answers all others;
        the import path `package.module:function` of a function from Request to answer.
      An answer is a text (all that the model writes), a log-probability, a pair (log-probability, is
      greedy), an object of a Response's fields or, from a function, a Response.
    delay: seconds that each batch takes.
    log: a file that gets the digest of each request, one a line and synchronised, before it is answered.
    version: part of the fingerprint; another version is another model.
    chat_template: a file with a Jinja template over `messages` and `add_generation_prompt`.
    """

    def __init__(
        self,
        name: str,
        *,
        batch_size: int | Literal["auto"] = "auto",
        delay: float = 0.0,
        log: Path | None = None,
        version: str = "1",
        chat_template: Path | None = None,
    ) -> None:
        if batch_size != "auto" and batch_size < 1:
            raise BackendError(f"scripted:{name}: batch_size is {batch_size}, at least 1 is wanted")
        self._name = name
        self.batch_size = _AUTO_BATCH if batch_size == "auto" else batch_size
        self._delay = delay
        self._log = log
        self._version = version
        self._template_file = chat_template

    @property
    def capabilities(self) -> Capabilities:
        return replace(ANYTHING, chat_template=self._template_file is not None)

    @property
    def fingerprint(self) -> Mapping[str, str]:
        parts = {"backend": "scripted", "version": self._version, **self._source}
        template = self.chat_template()
        return parts if template is None else {**parts, "chat_template": _sha256(template)}

    def load(self, kinds: Collection[RequestKind]) -> None:
        """Find what answers. Raises BackendError where there is no such thing."""
        _ = self._answerer

    def answer(self, request: Request) -> Response:
        return as_response(self._answerer(request))

    def answers(self, batch: Sequence[Request]) -> list[Response]:
        if self._log is not None:
            _append(self._log, "".join(f"{request.digest()}\n" for request in batch))
        time.sleep(self._delay)
        return super().answers(batch)

    def chat_template(self) -> str | None:
        return None if self._template_file is None else _read(self._template_file)

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str:
        template = self.chat_template()
        if template is None:
            raise BackendError(
                f"scripted:{self._name} has no chat template: give it the option chat_template=FILE"
            )
        return _rendered(template, messages, continue_final=continue_final)

    @cached_property
    def _source(self) -> Mapping[str, str]:
        """What decides the answers: a table's content, or the name of what makes them up."""
        if self._is_table:
            return {"table": _sha256(_read(Path(self._name)))}
        return {"name": self._name}

    @cached_property
    def _answerer(self) -> Answerer:
        if self._is_table:
            return _table(Path(self._name))
        if self._name == "hash":
            return lambda request: hashed(request, self._version)
        if ":" not in self._name:
            raise BackendError(f"scripted:{self._name}: write hash, FILE.json or package.module:function")
        return cast(Answerer, load_object(self._name))

    @property
    def _is_table(self) -> bool:
        return self._name.endswith(".json")


def as_response(answer: object) -> Response:
    """The response an answer stands for (see `ScriptedBackend`). Raises BackendError for anything else."""
    match answer:
        case Response():
            return answer
        case str():
            return Response(text=answer, tokens_out=len(answer.split()))
        case bool():
            raise BackendError(f"a scripted answer is {answer}: a text, a number or a pair is wanted")
        case int() | float():
            return Response(logprob=float(answer), is_greedy=False)
        case [int() | float() as logprob, bool() as is_greedy]:
            return Response(logprob=float(logprob), is_greedy=is_greedy)
        case {**values} if values.keys() <= _FIELDS:
            return Response(**cast(dict[str, Any], values))
    raise BackendError(
        f"a scripted answer is {answer!r}: a text, a number, a pair or a response's fields are wanted"
    )


def hashed(request: Request, version: str = "1") -> Response:
    """An answer that only the request and version decide: a log-probability in (-20, 0], or `#### ` and a
    number under 100. Tokens are counted as words."""
    digest = hashlib.sha256(f"{version}:{request.digest()}".encode()).digest()
    number = int.from_bytes(digest[:6], "big")
    words = len(request.prompt_text.split())
    if request.kind == "generate_until":
        return Response(text=f"#### {number % 100}", tokens_in=words, tokens_out=2)
    return Response(logprob=-20 * number / 256**6, is_greedy=digest[6] < 64, tokens_in=words)


def _table(path: Path) -> Answerer:
    try:
        answers = json.loads(_read(path))
    except ValueError as error:
        raise BackendError(f"{path} is not JSON: {error}") from error
    if not isinstance(answers, dict):
        raise BackendError(f"{path} holds no object from prompt to answer")

    def answer(request: Request) -> object:
        asked = request.prompt_text + request.continuation
        if asked not in answers and OTHERWISE not in answers:
            raise BackendError(f"{path} has no answer to {asked[-80:]!r}; {OTHERWISE!r} answers all others")
        return answers[asked] if asked in answers else answers[OTHERWISE]

    return answer


def _append(path: Path, lines: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, lines.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BackendError(f"{path} cannot be read: {error}") from error


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _rendered(template: str, messages: Sequence[ChatMessage], *, continue_final: bool) -> str:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    whole = environment.from_string(template).render(
        messages=[dict(message) for message in messages], add_generation_prompt=not continue_final
    )
    if not continue_final:
        return whole
    final = messages[-1]["content"].strip()
    return whole[: whole.rindex(final) + len(final)]
