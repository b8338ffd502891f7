"""The errors a user of filters and metrics can cause."""


class MetricError(ValueError):
    """A filter, metric or aggregation that cannot work as configured; the message names it and the way out."""
