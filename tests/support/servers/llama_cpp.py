"""llama.cpp's own HTTP server, from the wheel `xllamacpp`. Run as a script this file is the server."""

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONTEXT = 1024
SLOTS = 4


@contextmanager
def llama_cpp(model: Path, *, api_key: str = "") -> Iterator[str]:
    """Serve a Hugging Face folder as `tiny`; the value is the base URL.

    It answers four requests at once, of 1,024 tokens each. api_key: what clients must show; "" for nothing.
    """
    from tests.support.models.gguf_file import write_gguf
    from tests.support.servers.process import Command, free_port, serving

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tiny.gguf")
        write_gguf(model, file)
        port = free_port()
        with serving(Command([sys.executable, "-P", __file__, str(file), str(port), api_key], port)) as url:
            yield url


def serve(file: str, port: int, api_key: str) -> None:
    """Serve a GGUF file until the process is told to end."""
    from xllamacpp import CommonParams, Server

    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the server's threads, which inherit it
    parameters = CommonParams()
    parameters.model.path = file
    parameters.model_alias = {"tiny"}
    parameters.port = port
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * CONTEXT
    parameters.api_keys = [api_key] if api_key else []
    parameters.endpoint_metrics = True
    server = Server(parameters)
    signal.sigwait(signals)
    del server


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
