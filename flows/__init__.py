"""What happens, in which order: Prefect flows, their steps, and the record of a run."""

__version__ = "0.1.0"
