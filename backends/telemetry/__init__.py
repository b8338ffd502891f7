"""Spans and metrics of calls, through OpenTelemetry."""
