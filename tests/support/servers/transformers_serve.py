"""The server of transformers' command line, `transformers serve`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.process import Command, free_port, serving

ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


@contextmanager
def transformers_serve(model: Path) -> Iterator[str]:
    """Serve a Hugging Face folder; the value is the base URL. The model's name is its folder's path."""
    port = free_port()
    program = [str(Path(sys.executable).with_name("transformers")), "serve", str(model)]
    where = ["--host=127.0.0.1", f"--port={port}", "--device=cpu"]
    with serving(Command([*program, *where], port, ENVIRONMENT)) as url:
        yield url
