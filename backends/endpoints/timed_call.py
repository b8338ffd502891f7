"""Puts one question to an endpoint: sends it, reads the answer, and says when what came."""

import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from backends.calls.endpoint_options import EndpointOptions, merged_body
from backends.calls.failure import RETRIED, CallFailed, Paid
from backends.calls.http import Http, Reply
from backends.calls.loop import loop_time
from backends.calls.refusals import failure_kind, is_declined
from backends.endpoints.parameters import Parameters, advised
from backends.endpoints.question import Content, CutOff, GaveUp, Malformed, NotOffered, Question, Stream
from backends.endpoints.usage_reading import texts_in
from backends.requests import Call, Response

T = TypeVar("T")
_RAISE_TIMEOUT = "; where answers take longer, raise the option timeout"


@dataclass(frozen=True, slots=True)
class Answerer:
    """Asks one endpoint, once a call; on the engine's loop only.

    asked: the model as `backend:name`. parameters: what of bodies it does not take.
    """

    http: Http
    options: EndpointOptions
    asked: str
    parameters: Parameters

    async def answer(self, question: Question) -> Response:
        """The response, its call's times by the monotonic clock. Raises CallFailed."""
        sent = time.monotonic()
        try:
            return await self._answer(question)
        except CallFailed as error:
            failure = error.failure
            if failure.kind == "timed_out":
                raise CallFailed(replace(failure, message=failure.message + _RAISE_TIMEOUT)) from error
            if question.declined is None or not is_declined(failure.code, failure.message):
                raise
            response = question.declined(failure.message)
            return self._with_call(response, Reply({}, sent, time.monotonic(), failure.status), None)

    async def _answer(self, question: Question) -> Response:
        """What comes of the question, asked again at once without a parameter that is not taken."""
        while True:
            stream = question.stream() if self.options.stream and question.stream is not None else None
            body = self._body(question, stream)
            try:
                return await self._called(question, body, stream)
            except CallFailed as error:
                if not self.parameters.learn(error.failure, body):
                    raise CallFailed(advised(error.failure, body), error.came) from error

    async def _called(self, question: Question, body: Mapping[str, Any], stream: Stream | None) -> Response:
        try:
            if stream is not None:
                return await self._streamed(question, body, stream)
            reply = await self.http.post(question.path, body, timeout=self.options.timeout)
            return self._response(question, reply, None)
        except CallFailed as error:
            raise self._paid(question, error) from error

    async def _streamed(self, question: Question, body: Mapping[str, Any], stream: Stream) -> Response:
        first, last, has_ended = None, None, False
        ends = loop_time() + self.options.total_timeout
        try:
            # Closed here also where an event cannot be read: its time-out and connection must not outlive it.
            coming = self.http.events(question.path, body, timeout=self.options.timeout, ends=ends)
            async with aclosing(coming) as events:
                async for event in events:
                    if event.part == "whole":
                        return self._response(question, event, None)
                    has_ended = has_ended or event.part == "end"
                    if event.part == "event":
                        last = event
                        brings = self._read(stream.add, event.content, stream.so_far)
                        if brings and first is None:
                            first = event.received
            if last is None:
                raise self.http.failed("transient", "the stream brought nothing")
            whole = self._read(lambda _: stream.whole(has_ended=has_ended), last.content)
        except CallFailed as error:
            if last is None:
                raise
            came = stream.so_far()
            raise CallFailed(error.failure, came if _is_something(came) else error.came) from error
        whole = {"system_fingerprint": last.content.get("system_fingerprint"), **whole}
        return self._response(question, replace(last, content=whole), first)

    def _response(self, question: Question, reply: Reply, first_token: float | None) -> Response:
        response = self._read(partial(question.read, say=self.http.say), reply.content)
        say_estimated(self.http, response)
        return self._with_call(response, reply, first_token)

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

    def _paid(self, question: Question, error: CallFailed) -> CallFailed:
        """The failure with what it took, where an answer had begun to come."""
        if error.came is None:
            return error
        count = question.taken(dict(error.came))
        paid = Paid(self.asked, self.http.base_url, count.usage, count.is_reported)
        return CallFailed(replace(error.failure, paid=paid), error.came)

    def _body(self, question: Question, stream: Stream | None) -> dict[str, Any]:
        body = merged_body(dict(self.parameters.applied(question.body)), self.options)
        return body if stream is None else {**body, **self.parameters.applied(stream.body)}

    def _read(
        self, read: Callable[[Content], T], content: Content, so_far: Callable[[], Content] | None = None
    ) -> T:
        """What an answer says, or a part of it; CallFailed where it cannot be read. so_far: all that came."""
        try:
            return read(content)
        except (Malformed, NotOffered) as error:
            raise unread(self.http, error, so_far() if so_far else content) from error


def unread(http: Http, error: Malformed | NotOffered, content: Content) -> CallFailed:
    """The failure that an answer is which cannot be read."""
    match error:
        case CutOff():
            return http.failed("transient", str(error), came=content)
        case GaveUp(code=code) if not _is_something(content):
            kind = failure_kind(int(code)) if code.isdecimal() else "transient"
            return http.failed(kind if kind in RETRIED else "transient", str(error), code=code)
        case GaveUp(code=code):
            return http.failed("malformed", str(error), code=code, came=content)
        case Malformed():
            return http.failed("malformed", str(error), came=content)
    return http.failed("permanent", str(error), came=content)


def say_estimated(http: Http, response: Response) -> None:
    """Say where an endpoint does not count the tokens of its answers, or not so that it can be right."""
    if response.call is not None and not response.call.counted:
        http.say("tokens are estimated: it does not count them, or its counts cannot be right")


def _is_something(content: Content) -> bool:
    """Whether an answer has anything to pay for."""
    return bool(content.get("usage") or texts_in(content))
