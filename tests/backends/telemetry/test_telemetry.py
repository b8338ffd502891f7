import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from backends.requests import Call, Request, RequestKind, Response, Status
from backends.telemetry.calls import CallTelemetry
from backends.telemetry.telemetry import exporters
from tests.support.http_stub import HttpStub, http_stub
from tests.support.paths import ROOT

DURATION = "gen_ai.client.operation.duration"
QUESTION = Request("generate_until", "a question of the task", generation={"until": ["STOP-HERE"]})
CALL = Call(
    enqueued=1_700_000_000.0,
    started=1.5,
    first_token=1.75,
    finished=3.5,
    tokens_cached=4,
    attempts=3,
    failures=("rate_limited", "transient"),
    endpoint="https://api.example.com:8443/v1/private-path",
    model="model-2024-01-01",
    http_status=200,
)
ANSWER = Response(text="what the model said", tokens_in=10, tokens_out=20, call=CALL)
FAILURE = Response(
    status="failed",
    error="503: it quotes a question of the task",
    call=Call(1_700_000_000.0, 2.0, None, 3.0, attempts=2, failures=("transient",), http_status=503),
)


class Seen:
    """Telemetry into memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._telemetry = CallTelemetry(tracers, MeterProvider([self._reader]))

    def called(self, response: Response, request: Request = QUESTION) -> None:
        self._telemetry.called(request, response, "openai", "some-model")

    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def metrics(self) -> dict[str, list[Any]]:
        """The points of each metric."""
        data = self._reader.get_metrics_data()
        points: dict[str, list[Any]] = defaultdict(list)
        for resource in data.resource_metrics if data else ():
            for metric in resource.scope_metrics[0].metrics:
                points[metric.name] += metric.data.data_points
        return points


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_a_call_is_one_span_with_the_calls_own_times_and_the_conventions_names(seen: Seen) -> None:
    seen.called(ANSWER)

    (span,) = seen.spans()
    begin = 1_700_000_000_000_000_000
    assert (span.name, span.kind.name, span.status.status_code.name) == (
        "chat some-model",
        "CLIENT",
        "UNSET",
    )
    assert (span.start_time, span.end_time) == (begin, begin + 3_500_000_000)
    assert [(event.name, event.timestamp - begin) for event in span.events] == [
        ("assay.sent", 1_500_000_000),
        ("assay.first_token", 1_750_000_000),
    ]
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "some-model",
        "gen_ai.response.model": "model-2024-01-01",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "server.address": "api.example.com",
        "server.port": 8443,
        "http.response.status_code": 200,
        "assay.request.kind": "generate_until",
        "assay.attempts": 3,
        "assay.failures": ("rate_limited", "transient"),
    }


def test_nothing_of_what_was_said_and_no_path_of_the_address_is_passed_on(seen: Seen) -> None:
    secret = "https://someone:password@api.example.com/v1/token-in-path?key=key-in-query"
    call = Call(1.0, endpoint=secret)
    seen.called(Response(text="what the model said", thinking="its thinking", call=call))
    seen.called(Response(status="failed", error="400: it quotes a question of the task", call=call))
    choice = Request("loglikelihood", "a question of the task", " a continuation")
    seen.called(Response(logprob=-1.0, is_greedy=True, call=call), choice)

    said = " ".join(span.to_json() for span in seen.spans())
    said += json.dumps([dict(point.attributes) for points in seen.metrics().values() for point in points])
    assert "api.example.com" in said
    for private in (
        *("question", "model said", "thinking", "continuation", "STOP-HERE"),
        *("someone", "password", "token-in-path", "key-in-query"),
    ):
        assert private not in said


def test_a_failed_call_is_an_error_of_its_http_status_without_usage(seen: Seen) -> None:
    seen.called(FAILURE)

    (span,) = seen.spans()
    attributes = dict(span.attributes or {})
    assert (span.status.status_code.name, span.status.description) == ("ERROR", None)
    assert (attributes["error.type"], attributes["http.response.status_code"]) == ("503", 503)
    assert [event.name for event in span.events] == ["assay.sent"]
    assert not [name for name in attributes if "usage" in name or "finish" in name]
    (duration,) = seen.metrics()[DURATION]
    assert duration.attributes["error.type"] == "503"


@pytest.mark.parametrize(
    ("failures", "error_type"), [((), "_OTHER"), (("rate_limited", "malformed"), "malformed")]
)
def test_a_failure_without_an_http_status_has_the_type_of_the_last_try(
    seen: Seen, failures: tuple[str, ...], error_type: str
) -> None:
    seen.called(Response(status="failed", call=Call(1.0, failures=failures)))
    assert (seen.spans()[0].attributes or {})["error.type"] == error_type


@pytest.mark.parametrize(
    ("status", "reason"), [("answer", "stop"), ("truncated", "length"), ("refused", "content_filter")]
)
def test_a_generation_says_why_it_ended(seen: Seen, status: Status, reason: str) -> None:
    seen.called(Response(status=status, text="", call=CALL))
    (span,) = seen.spans()
    assert (span.attributes or {})["gen_ai.response.finish_reasons"] == (reason,)
    assert span.status.is_ok


@pytest.mark.parametrize("kind", ["loglikelihood", "loglikelihood_rolling"])
def test_a_log_likelihood_is_a_text_completion_that_does_not_finish(seen: Seen, kind: RequestKind) -> None:
    seen.called(Response(logprob=-1.0, call=CALL), Request(kind, "text"))
    attributes = seen.spans()[0].attributes or {}
    assert attributes["gen_ai.operation.name"] == "text_completion"
    assert "gen_ai.response.finish_reasons" not in attributes


def test_metrics_have_the_answered_trys_times_the_tokens_and_the_failed_tries(seen: Seen) -> None:
    seen.called(ANSWER)
    seen.called(FAILURE)

    metrics = seen.metrics()
    durations = {point.attributes.get("error.type"): point for point in metrics.pop(DURATION)}
    assert {error: (point.count, point.sum) for error, point in durations.items()} == {
        None: (1, 2.0),
        "503": (1, 1.0),
    }
    assert durations[None].explicit_bounds[-1] == 81.92
    (first_token,) = metrics.pop("gen_ai.server.time_to_first_token")
    assert first_token.sum == 0.25
    tokens = metrics.pop("gen_ai.client.token.usage")
    assert {point.attributes["gen_ai.token.type"]: point.sum for point in tokens} == {
        "input": 10,
        "output": 20,
    }
    failed: dict[str, int] = defaultdict(int)
    for point in metrics.pop("assay.failed_attempts"):
        failed[point.attributes["assay.failure.kind"]] += point.value
    assert failed == {"rate_limited": 1, "transient": 2, "_OTHER": 1}
    assert not metrics


def test_an_estimate_of_tokens_is_not_reported_as_usage(seen: Seen) -> None:
    seen.called(Response(text="x", tokens_in=10, tokens_out=20, call=Call(1.0, counted=False)))
    assert not [name for name in seen.spans()[0].attributes or {} if "usage" in name]
    assert "gen_ai.client.token.usage" not in seen.metrics()


def test_a_request_that_was_never_sent_leaves_nothing(seen: Seen) -> None:
    seen.called(Response(status="skipped", error="the budget was spent"))
    assert not seen.spans()
    assert not seen.metrics()


def test_flush_does_not_wait_longer_than_it_may(caplog: pytest.LogCaptureFixture) -> None:
    never, sent = threading.Event(), threading.Event()
    telemetry = CallTelemetry(None, None, [*[never.wait] * 30, sent.set], flush_seconds=0.1)
    begin = time.monotonic()
    with caplog.at_level(logging.WARNING, "assay"):
        telemetry.flush()
    assert 0.1 <= time.monotonic() - begin < 60
    assert sent.is_set(), "those that hang hold up the other"
    assert caplog.messages == ["spans and metrics were not all sent within 0.1 s"]
    never.set()


ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
HTTP, GRPC = ("otlp_proto_http",), ("otlp_proto_grpc",)


@pytest.mark.parametrize(
    ("environ", "traces", "metrics"),
    [
        ({}, (), ()),
        ({ENDPOINT: ""}, (), ()),
        ({ENDPOINT: "http://c"}, HTTP, HTTP),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, HTTP, ()),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c"}, (), HTTP),
        ({ENDPOINT: "http://c", "OTEL_TRACES_EXPORTER": "none"}, (), HTTP),
        ({ENDPOINT: "http://c", "OTEL_METRICS_EXPORTER": "none"}, HTTP, ()),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ("console", *HTTP), ()),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, (), HTTP),
        ({ENDPOINT: "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, GRPC, GRPC),
        ({ENDPOINT: "http://c", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, HTTP, GRPC),
    ],
)
def test_the_usual_variables_say_where_spans_and_metrics_go(
    environ: Mapping[str, str], traces: tuple[str, ...], metrics: tuple[str, ...]
) -> None:
    assert exporters("traces", environ) == traces
    assert exporters("metrics", environ) == metrics


CALLS = """
import sys
from backends.telemetry.telemetry import Silent, telemetry
from backends.requests import Call, Request, Response

def call():
    response = Response(text="x", tokens_in=1, tokens_out=2, call=Call(1.0, 0.1, 0.2, 0.3))
    telemetry().called(Request("generate_until", "hello"), response, "openai", "some-model")
"""


def run(program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program that may `call()` in a process that has only these variables of OpenTelemetry's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", CALLS + program],
        cwd=ROOT,
        env={**inherited, **environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SDK_DISABLED": "true", ENDPOINT: "http://127.0.0.1:9"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", ENDPOINT: "http://127.0.0.1:9"},
    ],
)
def test_opentelemetry_is_not_imported_where_nobody_wants_it(environ: Mapping[str, str]) -> None:
    run("call(); telemetry().flush(); assert not [m for m in sys.modules if 'opentelemetry' in m]", **environ)


def test_the_api_alone_which_libraries_import_asks_for_nothing() -> None:
    run(
        "import opentelemetry.trace, opentelemetry.metrics\n"
        "assert type(telemetry()) is Silent and 'opentelemetry.sdk' not in sys.modules"
    )


def test_a_programs_own_providers_come_before_the_environment() -> None:
    done = run(
        """
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans, reader, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(MeterProvider([reader]))
call()
print([span.name for span in spans.get_finished_spans()])
print([m.name for m in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics][0])
assert "opentelemetry.exporter.otlp.proto.http" not in sys.modules
""",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )
    assert done.stdout.splitlines() == ["['chat some-model']", DURATION]


def test_the_console_exporter_writes_spans_to_standard_output() -> None:
    done = run("call(); telemetry().flush()", OTEL_TRACES_EXPORTER="console")
    assert json.loads(done.stdout)["name"] == "chat some-model"


@pytest.mark.parametrize("missing", ["opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"])
def test_a_missing_package_is_one_line_that_names_the_extra(missing: str) -> None:
    done = run(
        f"sys.modules[{missing!r}] = None\ncall(); call(); assert type(telemetry()) is Silent",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )
    (line,) = done.stderr.splitlines()
    assert line.endswith("pip install 'assay-eval[otel]'")
    assert missing in line


def test_a_setting_that_cannot_be_read_is_one_line_and_no_failure() -> None:
    done = run("call()", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_METRIC_EXPORT_INTERVAL="-1")
    assert "OTEL_ variable" in done.stderr.splitlines()[0]


@pytest.fixture
def collector() -> Iterator[HttpStub]:
    """An OTLP collector over HTTP, as far as exporters can tell."""
    with http_stub() as server:
        yield server


def test_a_collector_receives_spans_and_metrics(collector: HttpStub) -> None:
    done = run("call(); call(); telemetry().flush()", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)

    assert done.stderr == ""
    assert {asked.headers["Content-Type"] for asked in collector.asked} == {"application/x-protobuf"}
    (spans,) = ExportTraceServiceRequest.FromString(collector.posted("/v1/traces")[0]).resource_spans
    assert [span.name for span in spans.scope_spans[0].spans] == ["chat some-model"] * 2
    assert named(spans.resource.attributes)["service.name"] == "assay"
    span = spans.scope_spans[0].spans[0]
    assert span.end_time_unix_nano - span.start_time_unix_nano == 300_000_000
    (metrics,) = ExportMetricsServiceRequest.FromString(collector.posted("/v1/metrics")[0]).resource_metrics
    (duration,) = (metric for metric in metrics.scope_metrics[0].metrics if metric.name == DURATION)
    assert duration.histogram.data_points[0].count == 2


def named(attributes: Any) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in attributes}


def test_the_service_has_the_name_that_the_environment_gives_it(collector: HttpStub) -> None:
    run(
        "call(); telemetry().flush()",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/spans-only",
        OTEL_SERVICE_NAME="nightly",
    )
    assert {asked.path for asked in collector.asked} == {"/spans-only"}
    (spans,) = ExportTraceServiceRequest.FromString(collector.posted("/spans-only")[0]).resource_spans
    assert named(spans.resource.attributes)["service.name"] == "nightly"


@pytest.mark.slow
def test_a_collector_that_takes_the_connection_and_says_nothing_holds_up_no_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        done = run(
            "call(); telemetry().flush(); print('over')",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}",
        )
    assert done.stdout == "over\n"
    # Five seconds, and the start and end of a process on a busy machine; the exporter alone would wait ten.
    assert time.monotonic() - begin < 9.0
