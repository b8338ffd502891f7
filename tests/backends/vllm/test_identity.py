"""By what answers of vLLM are found again; known without vLLM."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from backends.model_files.engine_options import VLLMOptions
from backends.vllm.backend import VLLMBackend
from tests.support.paths import TINY


def fingerprint(folder: Path = TINY, *, seed: int = 1, **options: Any) -> dict[str, str]:
    opened = VLLMBackend(str(folder), options=VLLMOptions.model_validate(options), seed=seed)
    return dict(opened.fingerprint)


def test_a_copy_on_other_hardware_is_the_same_model(tmp_path: Path) -> None:
    copy = shutil.copytree(TINY, tmp_path / "copy")
    more = {"tensor_parallel_size": 2, "gpu_memory_utilization": 0.5, "enforce_eager": True}
    assert fingerprint(copy, seed=2, **more) == fingerprint()


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "bfloat16"},
        {"max_length": 100},
        {"quantization": "fp8"},
        {"add_bos_token": True},
        {"trust_remote_code": True},
        {"engine_args": '{"kv_cache_dtype": "fp8"}'},
    ],
)
def test_what_may_change_an_answer_makes_another_model(options: dict[str, Any]) -> None:
    assert fingerprint(**options) != fingerprint()


def test_the_dtype_of_the_configuration_is_kept() -> None:
    assert fingerprint()["dtype"] == fingerprint(dtype="float32")["dtype"] == "float32"


def test_other_weights_and_other_adapters_are_other_models(tmp_path: Path) -> None:
    copy = shutil.copytree(TINY, tmp_path / "copy")
    with (copy / "model.safetensors").open("ab") as weights:
        weights.write(b"x")
    adapters = []
    for rank in (4, 8):
        adapter = tmp_path / f"adapter{rank}"
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(f'{{"r": {rank}}}')
        adapters.append(fingerprint(lora=str(adapter)))
    known = [fingerprint(), fingerprint(copy), *adapters]
    assert len({str(one) for one in known}) == 4
