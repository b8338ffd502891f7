"""What opens a model that is asked in batches."""

from pathlib import Path

from backends.batches.backend import BatchBackend
from backends.batches.options import BatchOptions
from backends.endpoints.openers import chat, openai_remote


def open_batch(name: str, *, options: BatchOptions, home: Path) -> BatchBackend:
    """Batches of chat completions at OpenAI, or at any server at `base_url` that has its Batch API."""
    remote = openai_remote(chat(name, options, "openai-batch"), options, home)
    return BatchBackend(remote, options, home)
