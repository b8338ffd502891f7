"""How servers are started: the options of a model in the words of vLLM and of SGLang.

Source of the arguments: vLLM 0.32 (`EngineArgs`, `FrontendArgs`) and SGLang 0.5.23 (`ServerArgs`).
"""

import json
import os
from pathlib import Path

from backends.model_files.engine_model import EngineModel
from backends.served.options import ServerOptions, flags
from backends.served.server import Command

# The adapter's name where requests name it apart from the model, and the model's beside an adapter.
ADAPTER, BASE = "adapter", "base"
_QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


def vllm_command(model: EngineModel, options: ServerOptions, port: int, key: str) -> Command:
    """vLLM's OpenAI server. A model with an adapter has the name of the two, and the bare one another."""
    adapter: list[str] = []
    if model.adapter is not None:
        module = json.dumps({"name": model.name, "path": model.adapter.location})
        adapter = flags({"enable-lora": True, "max-lora-rank": model.adapter_rank, "lora-modules": [module]})
    said = flags(
        {
            "host": "127.0.0.1",
            "port": port,
            "model": model.source.location,
            "revision": model.source.commit,
            "served-model-name": BASE if model.adapter else model.name,
            "dtype": model.dtype,
            "max-model-len": model.engine_length,
            "tensor-parallel-size": options.tensor_parallel_size,
            "pipeline-parallel-size": options.pipeline_parallel_size,
            "data-parallel-size": options.data_parallel_size,
            "gpu-memory-utilization": options.gpu_memory_utilization,
            "quantization": options.quantization,
            "trust-remote-code": options.trust_remote_code,
            "enforce-eager": options.enforce_eager,
            "disable-uvicorn-access-log": True,
        }
    )
    server = [options.python, "-m", "vllm.entrypoints.openai.api_server"]
    environment = {**_usual(), "VLLM_API_KEY": key}
    return Command([*server, *said, *adapter, *options.more_arguments], environment)


def sglang_command(model: EngineModel, options: ServerOptions, port: int, key: str, folder: Path) -> Command:
    """SGLang's server. It reads a key only from its arguments or a file, which is written to `folder`."""
    settings = folder / f"{port}.yaml"
    with open(os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"api-key: {key}\n")
    adapter: list[str] = []
    if model.adapter is not None:
        adapter = flags({"lora-paths": [f"{ADAPTER}={model.adapter.location}"]})
    said = flags(
        {
            "host": "127.0.0.1",
            "port": port,
            "model-path": model.source.location,
            "revision": model.source.commit,
            "served-model-name": model.name,
            "dtype": model.dtype,
            "context-length": model.engine_length,
            "tp-size": options.tensor_parallel_size,
            "pp-size": options.pipeline_parallel_size,
            "dp-size": options.data_parallel_size,
            "mem-fraction-static": options.gpu_memory_utilization,
            "quantization": options.quantization,
            "trust-remote-code": options.trust_remote_code,
            "disable-cuda-graph": options.enforce_eager,
        }
    )
    server = [options.python, "-m", "sglang.launch_server", "--config", str(settings)]
    return Command([*server, *said, *adapter, *options.more_arguments], _usual())


def _usual() -> dict[str, str]:
    """No reports to anybody, unless the user wants them."""
    return {name: value for name, value in _QUIET.items() if name not in os.environ}
