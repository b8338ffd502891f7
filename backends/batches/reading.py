"""What a line of a batch's results says: read as the same answer is that comes from a single call."""

import time
from dataclasses import dataclass, replace

from backends.batches.files import Line
from backends.batches.pending_batches import Failures
from backends.batches.state import State
from backends.calls.failure import CallFailed
from backends.calls.http import Http
from backends.calls.refusals import DECLINED, error_of, failure_kind
from backends.endpoints.question import Malformed, NotOffered, Question
from backends.requests import Call, Response

_GOOD = 200


@dataclass(frozen=True, slots=True)
class Reader:
    """asked: the model, as `backend:name`. http: for messages that name the endpoint and hold no secret."""

    http: Http
    asked: str

    def read(self, question: Question, line: Line | None, state: State) -> Response:
        """The response of a line, or of none, of a batch that has ended. Raises CallFailed."""
        if line is None or not line.status:
            why = f": {line.error}" if line is not None and line.error else ""
            raise self.http.failed(state.unanswered, f"{state}{why or ': no answer'}")
        if line.status != _GOOD:
            message, code = error_of(line.body)
            if question.declined is not None and code in DECLINED:
                return question.declined(message)
            kind = failure_kind(line.status, code, message)
            raise self.http.failed(kind, f"HTTP {line.status}: {message}", status=line.status)
        try:
            response = question.read(line.body)
        except Malformed as error:
            raise self.http.failed("malformed", str(error), status=_GOOD) from error
        except NotOffered as error:
            raise self.http.failed("permanent", str(error), status=_GOOD) from error
        return replace(response, call=replace(response.call or Call(enqueued=0.0), http_status=_GOOD))

    def without_answer(self, error: CallFailed) -> Response:
        """The response of a request that is given up."""
        call = Call(enqueued=0.0, http_status=error.failure.status)
        return Response(status="failed", error=error.failure.message, call=call)

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
        return replace(response, call=call, seconds=seconds)
