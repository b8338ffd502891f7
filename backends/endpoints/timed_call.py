"""Puts one question to an endpoint: sends it, reads the answer, and says when what came."""

import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from backends.calls.endpoint_options import EndpointOptions, merged_body
from backends.calls.failure import CallFailed
from backends.calls.http import Http, Reply
from backends.calls.refusals import DECLINED
from backends.endpoints.question import Content, CutOff, Malformed, NotOffered, Question, Stream
from backends.requests import Call, Response

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answerer:
    """Asks one endpoint, once a call; on the engine's loop only. asked: the model as `backend:name`."""

    http: Http
    options: EndpointOptions
    asked: str

    async def answer(self, question: Question) -> Response:
        """The response, its call's times by the monotonic clock. Raises CallFailed."""
        sent = time.monotonic()
        try:
            return await self._answer(question)
        except CallFailed as error:
            failure = error.failure
            if question.declined is None or failure.code not in DECLINED:
                raise
            response = question.declined(failure.message)
            return self._with_call(response, Reply({}, sent, time.monotonic(), failure.status), None)

    async def _answer(self, question: Question) -> Response:
        if self.options.stream and question.stream is not None:
            return await self._streamed(question, question.stream)
        reply = await self.http.post(question.path, self._body(question), timeout=self.options.timeout)
        return self._response(question, reply, None)

    async def _streamed(self, question: Question, make: Callable[[], Stream]) -> Response:
        stream, first, last = make(), None, None
        body = {**self._body(question), **stream.body}
        # Closed here also where an event cannot be read: its time-out and connection must not outlive it.
        async with aclosing(self.http.events(question.path, body, timeout=self.options.timeout)) as events:
            async for event in events:
                last = event
                if self._read(stream.add, event.content) and first is None:
                    first = event.received
        if last is None:
            raise self.http.failed("transient", "the stream brought nothing")
        whole = self._read(lambda _: stream.whole(), last.content)
        whole = {"system_fingerprint": last.content.get("system_fingerprint"), **whole}
        return self._response(question, replace(last, content=whole), first)

    def _response(self, question: Question, reply: Reply, first_token: float | None) -> Response:
        return self._with_call(self._read(question.read, reply.content), reply, first_token)

    def _with_call(self, response: Response, reply: Reply, first_token: float | None) -> Response:
        call = replace(
            response.call or Call(enqueued=0.0),
            started=reply.sent,
            first_token=first_token,
            finished=reply.received,
            asked=self.asked,
            endpoint=self.http.base_url,
            http_status=reply.status,
            system_fingerprint=str(reply.content.get("system_fingerprint") or ""),
        )
        return replace(response, call=call, seconds=reply.received - reply.sent)

    def _body(self, question: Question) -> dict[str, Any]:
        return merged_body(dict(question.body), self.options)

    def _read(self, read: Callable[[Content], T], content: Content) -> T:
        """What an answer says; CallFailed where it cannot be read."""
        try:
            return read(content)
        except CutOff as error:
            raise self.http.failed("transient", str(error)) from error
        except Malformed as error:
            raise self.http.failed("malformed", str(error)) from error
        except NotOffered as error:
            raise self.http.failed("permanent", str(error)) from error
