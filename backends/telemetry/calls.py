"""What a call becomes as a span and as metrics: names by OpenTelemetry's conventions for generative AI.

https://opentelemetry.io/docs/specs/semconv/gen-ai/ - what has no name there begins with `assay.`.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from opentelemetry.metrics import MeterProvider, NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider, SpanKind, Status, StatusCode, TracerProvider

from backends.requests import Call, Request, RequestKind, Response

Attributes = Mapping[str, str | int | Sequence[str]]

# What a request amounts to: a response does not say which of an endpoint's interfaces it came through.
_OPERATIONS: Mapping[RequestKind, str] = {
    "generate_until": "chat",
    "loglikelihood": "text_completion",
    "loglikelihood_rolling": "text_completion",
}
_FINISH_REASONS = {"answer": "stop", "truncated": "length", "refused": "content_filter"}
# The conventions' word for an error of no known type.
_OTHER = "_OTHER"

# Bounds of the histograms as the conventions advise, in seconds, tokens and seconds.
_DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4**power for power in range(14))
_FIRST_TOKEN = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)
# A run's last act should not look like a run that hangs.
FLUSH_SECONDS = 5.0

log = logging.getLogger("assay")


class CallTelemetry:
    """Calls as spans and metrics of these providers; without one, there are no spans or no metrics.

    flushes: what sends spans and metrics that wait; they may be slow, each is run in a thread.
    flush_seconds: how long `flush` waits for them, all together.
    """

    def __init__(
        self,
        tracers: TracerProvider | None,
        meters: MeterProvider | None,
        flushes: Sequence[Callable[[], object]] = (),
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self._tracer = (tracers or NoOpTracerProvider()).get_tracer("assay")
        meter = (meters or NoOpMeterProvider()).get_meter("assay")
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "From sending the try that was answered to the end of its answer.",
            explicit_bucket_boundaries_advisory=_DURATION,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens read and written, as the endpoint counts them.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._first_token = meter.create_histogram(
            "gen_ai.server.time_to_first_token",
            "s",
            "From sending the try that was answered to its first token, as seen from here.",
            explicit_bucket_boundaries_advisory=_FIRST_TOKEN,
        )
        self._failed = meter.create_counter(
            "assay.failed_attempts", "{attempt}", "Tries that had no answer, by `assay.failure.kind`."
        )
        self._flushes = flushes
        self._flush_seconds = flush_seconds

    def called(self, request: Request, response: Response, backend: str, model: str) -> None:
        """Report a call that is over. A response that no call led to (it was never asked for) is none."""
        call = response.call
        if call is None:
            return
        who = {
            "gen_ai.operation.name": _OPERATIONS[request.kind],
            "gen_ai.provider.name": backend,
            "gen_ai.request.model": model,
            **_server(call),
        }
        tokens = _tokens(response, call)
        error = {"error.type": _error_type(call)} if response.status == "failed" else {}
        self._write_span({**who, **_details(request, response, call), **tokens, **error}, call)
        self._measure({**who, **error}, call)
        self._count(who, tokens, _failures(response, call))

    def flush(self) -> None:
        """Send what waits to be sent; a warning says so where there was not the time."""
        threads = [threading.Thread(target=flush, daemon=True) for flush in self._flushes]
        deadline = time.monotonic() + self._flush_seconds
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            log.warning("spans and metrics were not all sent within %g s", self._flush_seconds)

    def _write_span(self, attributes: Attributes, call: Call) -> None:
        begin = _nanoseconds(call.enqueued)
        span = self._tracer.start_span(
            f"{attributes['gen_ai.operation.name']} {attributes['gen_ai.request.model']}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=begin,
        )
        span.add_event("assay.sent", timestamp=begin + _nanoseconds(call.started))
        if call.first_token is not None:
            span.add_event("assay.first_token", timestamp=begin + _nanoseconds(call.first_token))
        if "error.type" in attributes:
            # Without the message: it may quote what was asked.
            span.set_status(Status(StatusCode.ERROR))
        span.end(begin + _nanoseconds(call.finished))

    def _measure(self, attributes: Attributes, call: Call) -> None:
        self._duration.record(call.finished - call.started, attributes)
        if call.first_token is not None:
            self._first_token.record(call.first_token - call.started, attributes)

    def _count(self, who: Attributes, tokens: Mapping[str, int], failures: Counter[str]) -> None:
        for kind in ("input", "output"):
            if (name := f"gen_ai.usage.{kind}_tokens") in tokens:
                self._tokens.record(tokens[name], {**who, "gen_ai.token.type": kind})
        for failure, count in failures.items():
            self._failed.add(count, {**who, "assay.failure.kind": failure})


def _details(request: Request, response: Response, call: Call) -> dict[str, str | int | Sequence[str]]:
    """What is said of each call and would split a metric into too many."""
    details: dict[str, str | int | Sequence[str]] = {
        "assay.request.kind": request.kind,
        "assay.attempts": call.attempts,
        "assay.failures": call.failures,
    }
    if call.http_status:
        details["http.response.status_code"] = call.http_status
    if request.kind == "generate_until" and response.is_scorable:
        details["gen_ai.response.finish_reasons"] = (_FINISH_REASONS[response.status],)
    return details


def _tokens(response: Response, call: Call) -> dict[str, int]:
    """The usage by its names; by the conventions none where it is but estimated."""
    if not (call.counted and response.is_scorable):
        return {}
    return {
        "gen_ai.usage.input_tokens": response.tokens_in,
        "gen_ai.usage.output_tokens": response.tokens_out,
        "gen_ai.usage.cache_read.input_tokens": call.tokens_cached,
    }


def _server(call: Call) -> dict[str, str | int]:
    """Who answered, as far as it is known; of the address only host and port, the rest may be private."""
    address = urlsplit(call.endpoint)
    known = {
        "gen_ai.response.model": call.model,
        "server.address": address.hostname,
        "server.port": address.port,
    }
    return {name: value for name, value in known.items() if value}


def _error_type(call: Call) -> str:
    """The HTTP status where it is one of an error, else what became of the last try."""
    if call.http_status >= 400:
        return str(call.http_status)
    return call.failures[-1] if call.failures else _OTHER


def _failures(response: Response, call: Call) -> Counter[str]:
    """Tries without an answer by kind, with the last one of a failed call, whose kind may not be said."""
    failures = Counter(call.failures)
    if response.status == "failed" and len(call.failures) < call.attempts:
        failures[_OTHER] += 1
    return failures


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
