"""Prefect's API: a temporary server, waiting for one that is away, its blocks and its records of steps."""
