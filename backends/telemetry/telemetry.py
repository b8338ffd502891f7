"""Spans and metrics of calls, through OpenTelemetry, where somebody wants them: `telemetry()`.

They go where the program's own tracer and meter providers send them, else where the usual environment
variables say: `OTEL_TRACES_EXPORTER` and `OTEL_METRICS_EXPORTER` (`otlp`, `console`, `none`),
`OTEL_EXPORTER_OTLP_ENDPOINT` and the rest that the SDK reads. Where nobody wants them, nothing of
OpenTelemetry is imported.
"""

import logging
import os
import sys
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

from backends.requests import Request, Response

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

Signal = Literal["traces", "metrics"]
# Names of the SDK's exporters. `otlp` alone leaves the protocol open; HTTP is what OpenTelemetry advises
# and what the extra installs.
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}

log = logging.getLogger("assay")


class Telemetry(Protocol):
    """Where calls are reported to. Neither method ever fails or waits for the network, but for `flush`."""

    def called(self, request: Request, response: Response, backend: str, model: str) -> None:
        """Report a call that is over; nothing of what was said in it is passed on.

        backend: who offers the model, as `gen_ai.provider.name`. model: what was asked for.
        """
        ...

    def flush(self) -> None:
        """Send what waits to be sent; at the end of a run. Returns within five seconds in any case."""
        ...


class Silent:
    """Telemetry that nobody wants."""

    def called(self, request: Request, response: Response, backend: str, model: str) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""


@cache
def telemetry() -> Telemetry:
    """This process's telemetry; who wants it is looked at once, at the first call.

    Where an exporter is asked for that is not installed or not configured right, a warning says so and
    nothing is sent.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Silent()
    tracers = _set_by_program("opentelemetry.trace", "get_tracer_provider")
    meters = _set_by_program("opentelemetry.metrics", "get_meter_provider")
    own_tracers, own_meters = _own_providers(
        () if tracers else exporters("traces", os.environ),
        () if meters else exporters("metrics", os.environ),
    )
    if not any((tracers, meters, own_tracers, own_meters)):
        return Silent()
    from backends.telemetry.calls import CallTelemetry

    flushes = [own.force_flush for own in (own_tracers, own_meters) if own]
    return CallTelemetry(tracers or own_tracers, meters or own_meters, flushes)


def exporters(signal: Signal, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The exporters that environment variables ask for, by the names under which the SDK knows them.

    An endpoint asks for `otlp` where `OTEL_<SIGNAL>_EXPORTER` says nothing.
    """
    prefix, own_prefix = "OTEL_EXPORTER_OTLP", f"OTEL_EXPORTER_OTLP_{signal.upper()}"
    has_endpoint = environ.get(f"{own_prefix}_ENDPOINT") or environ.get(f"{prefix}_ENDPOINT")
    named = environ.get(f"OTEL_{signal.upper()}_EXPORTER") or ("otlp" if has_endpoint else "none")
    protocol = (
        environ.get(f"{own_prefix}_PROTOCOL") or environ.get(f"{prefix}_PROTOCOL") or "http/protobuf"
    ).strip()
    otlp = _OTLP.get(protocol, f"otlp over {protocol}")
    names = (name.strip() for name in named.split(","))
    return tuple(otlp if name == "otlp" else name for name in names if name not in ("", "none"))


def _set_by_program(module: str, getter: str) -> Any:
    """The provider that the program has set; None where there is only the API's own, which does nothing.

    Who has set one has imported the API, so there is no need to import it here.
    """
    api = sys.modules.get(module)
    provider = getattr(api, getter)() if api else None
    return None if type(provider).__module__.startswith(module) else provider


def _own_providers(
    traces: tuple[str, ...], metrics: tuple[str, ...]
) -> "tuple[TracerProvider | None, MeterProvider | None]":
    if not (traces or metrics):
        return None, None
    try:
        from backends.telemetry.export import open_providers

        return open_providers(traces, metrics)
    except ImportError as error:
        log.warning("no spans and metrics are sent: %s; pip install 'assay-eval[otel]'", error)
    except ValueError as error:
        log.warning("no spans and metrics are sent: an OTEL_ variable is not right: %s", error)
    return None, None
