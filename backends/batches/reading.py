"""What a line of a batch's results says: read as the same answer is that comes from a single call."""

import time
from dataclasses import dataclass, replace

from backends.batches.files import GOOD, Line
from backends.batches.pending_batches import Failures
from backends.batches.state import State
from backends.calls.failure import CallFailed
from backends.calls.http import Http
from backends.calls.refusals import error_of, failure_kind, is_declined, param_of, tells_error
from backends.endpoints.question import Malformed, NotOffered, Question
from backends.endpoints.timed_call import say_estimated, unread
from backends.money.purse import also_taken
from backends.requests import Call, Response

_SHOWN = 200  # characters


@dataclass(frozen=True, slots=True)
class Reader:
    """asked: the model, as `backend:name`. http: for messages that name the endpoint and hold no secret."""

    http: Http
    asked: str

    def read(self, question: Question, line: Line | None, state: State) -> Response:
        """The response of a line, or of none, of a batch that has ended. Raises CallFailed."""
        if line is not None and line.broken:
            message = f"{state}: a line of its file is no JSON object: {line.broken[:_SHOWN]!r}"
            raise self.http.failed("malformed", message, came={"text": line.broken})
        if line is None or not line.status:
            why = f": {line.error}" if line is not None and line.error else ""
            raise self.http.failed(state.unanswered, f"{state}{why or ': no answer'}")
        if line.status != GOOD:
            message, code = error_of(line.body or line.error)
            if question.declined is not None and is_declined(code, message):
                return question.declined(message)
            kind = failure_kind(line.status, code, message)
            said = f"HTTP {line.status}: {message}"
            param = param_of(line.body)
            raise self.http.failed(kind, said, status=line.status, code=code, param=param)
        body = line.body or {}
        if line.error:
            raise self.http.failed("malformed", line.error, status=GOOD, came=body)
        if tells_error(body):
            raise self.http.told(body)
        try:
            response = question.read(body, say=self.http.say)
        except (Malformed, NotOffered) as error:
            raise unread(self.http, error, body) from error
        say_estimated(self.http, response)
        return replace(response, call=replace(response.call or Call(enqueued=0.0), http_status=GOOD))

    def without_answer(self, question: Question, error: CallFailed) -> Response:
        """The response where there is no answer; it took what one did that came and cannot be used."""
        call = Call(enqueued=0.0, http_status=error.failure.status, asked=self.asked)
        response = Response(status="failed", error=error.failure.message, call=call)
        if error.came is None:
            return response
        count = question.taken(dict(error.came))
        return also_taken(response, count.usage, counted=count.is_reported)

    def timed(self, response: Response, handed_in: float, failures: Failures) -> Response:
        """The response with what is known of its call, which took from when it was handed in, in seconds
        since 1970, until now. failures: what became of its tries before, and of this one if it failed."""
        seconds = max(0.0, time.time() - handed_in)
        call = replace(
            response.call or Call(enqueued=0.0),
            enqueued=handed_in,
            finished=seconds,
            attempts=len(failures) + response.is_scorable,
            failures=failures,
            asked=self.asked,
            endpoint=self.http.base_url,
        )
        return replace(response, call=call)
