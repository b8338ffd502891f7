"""vLLM's OpenAI server on the CPU, from an environment of its own (`make venv-vllm`)."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.servers.process import Command, free_port, serving

VARIABLE = "ASSAY_VLLM_PYTHON"
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # gigabytes
    "VLLM_CPU_OMP_THREADS_BIND": "0-1",
}
ARGUMENTS = (
    "--dtype=float32",
    "--enforce-eager",
    "--max-model-len=1024",
    "--max-num-seqs=32",
    "--enable-auto-tool-choice",
    "--tool-call-parser=hermes",
)


def vllm_python() -> Path | None:
    """The interpreter that has vLLM: `ASSAY_VLLM_PYTHON`, else `.venv-vllm`'s; None if there is none."""
    python = Path(os.environ.get(VARIABLE) or ROOT / ".venv-vllm/bin/python")
    return python if python.is_file() else None


@contextmanager
def vllm(python: Path, model: Path, *, api_key: str = "", more: Sequence[str] = ()) -> Iterator[str]:
    """Serve a Hugging Face folder as `tiny`; the value is the base URL.

    python: the interpreter that has vLLM. api_key: what clients must show; "" for nothing. more: further
    arguments of the server, as on its command line.
    """
    port = free_port()
    where = [f"--model={model}", "--served-model-name=tiny", "--host=127.0.0.1", f"--port={port}"]
    key = [f"--api-key={api_key}"] if api_key else []
    server = [str(python), "-m", "vllm.entrypoints.openai.api_server"]
    with serving(Command([*server, *where, *key, *ARGUMENTS, *more], port, ENVIRONMENT)) as url:
        yield url
