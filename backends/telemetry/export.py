"""Providers of spans and metrics of our own, with the exporters that the environment asks for."""

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def open_providers(
    traces: Sequence[str], metrics: Sequence[str]
) -> tuple[TracerProvider | None, MeterProvider | None]:
    """Providers that export, in threads of their own, to the exporters named; None where none is.

    They are not made the program's. Raises ImportError for an exporter that is not installed, ValueError for
    a setting of one that it cannot read.
    """
    span_exporters = [_exporter("traces", name) for name in traces]
    metric_exporters = [_exporter("metrics", name) for name in metrics]
    resource = Resource.create({SERVICE_NAME: "assay"}).merge(OTELResourceDetector().detect())
    return (
        _tracers(span_exporters, resource) if traces else None,
        _meters(metric_exporters, resource) if metrics else None,
    )


def _exporter(signal: str, name: str) -> Any:
    for entry in entry_points(group=f"opentelemetry_{signal}_exporter", name=name):
        return entry.load()()
    raise ImportError(f"no exporter {name!r} of {signal} is installed")


# Neither is shut down when the process ends: that could wait for half a minute. A run flushes instead.


def _tracers(span_exporters: list[Any], resource: Resource) -> TracerProvider:
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in span_exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _meters(metric_exporters: list[Any], resource: Resource) -> MeterProvider:
    readers = [
        exporter if isinstance(exporter, MetricReader) else PeriodicExportingMetricReader(exporter)
        for exporter in metric_exporters
    ]
    return MeterProvider(readers, resource=resource, shutdown_on_exit=False)
