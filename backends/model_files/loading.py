"""Opening tokenizer, configuration and model with transformers, each by itself and without noise."""

import importlib.util
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from backends.errors import BackendError
from backends.model_files.architecture import why_incomplete
from backends.model_files.source import INSTALL, ModelSource

if TYPE_CHECKING:
    import torch


def require_packages() -> None:
    """Raise BackendError unless torch and transformers are installed."""
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise BackendError(f"the hf backend needs {' and '.join(missing)}; {INSTALL}")


def load_config(source: ModelSource, *, trust_remote_code: bool) -> Any:
    """The model's configuration."""
    from transformers import AutoConfig

    with _readable(source, "configuration"):
        return AutoConfig.from_pretrained(
            source.name, revision=source.commit or "main", trust_remote_code=trust_remote_code
        )


def load_tokenizer(source: ModelSource, *, trust_remote_code: bool, add_bos_token: bool | None) -> Any:
    """The tokenizer, with a padding token: its own, else the unknown, else the end-of-sequence token."""
    from transformers import AutoTokenizer

    options = {} if add_bos_token is None else {"add_bos_token": add_bos_token}
    with _readable(source, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(
            source.name, revision=source.commit or "main", trust_remote_code=trust_remote_code, **options
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def load_model(
    source: ModelSource,
    adapter: ModelSource | None,
    *,
    config: Any,
    dtype: str,
    device: "torch.device",
    trust_remote_code: bool,
    attn_implementation: str | None,
) -> Any:
    """The model with its adapter, on the device, ready to be asked."""
    from transformers import AutoModelForCausalLM

    options = {} if attn_implementation is None else {"attn_implementation": attn_implementation}
    with _readable(source, "model"):
        model, loaded = AutoModelForCausalLM.from_pretrained(
            source.name,
            config=config,
            revision=source.commit or "main",
            trust_remote_code=trust_remote_code,
            dtype=torch_dtype(dtype),
            output_loading_info=True,
            **options,
        )
    if loaded["missing_keys"]:
        raise BackendError(f"{source.name}: {why_incomplete(config, model, loaded['missing_keys'])}")
    if not getattr(model, "is_quantized", False):  # a quantised model is on its device already
        model = model.to(device)
    return (_adapted(model, adapter) if adapter else model).eval()


def torch_dtype(name: str) -> "torch.dtype | str":
    """The torch dtype of that name, or `auto` as it is. Raises BackendError for another word."""
    import torch

    dtype = name if name == "auto" else getattr(torch, name, None)
    if not isinstance(dtype, (torch.dtype, str)):
        raise BackendError(f"dtype={name}: not a torch dtype; use auto, float32, float16 or bfloat16")
    return dtype


def pick_device(name: str | None) -> "torch.device":
    """The named device, else the first GPU, Apple's, or the CPU. Raises BackendError if it is not there."""
    import torch

    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BackendError(f"device={name}: not a device; use cpu, cuda, cuda:1 or mps") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BackendError(f"device={name}: this machine has {torch.cuda.device_count()} CUDA devices")
    return device


def model_without_weights(config: Any, *, trust_remote_code: bool) -> Any:
    """The model's modules, none of whose tensors has a value."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"), quiet():
        return AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)


def _adapted(model: Any, adapter: ModelSource) -> Any:
    """The same model with the adapter's layers inside."""
    if importlib.util.find_spec("peft") is None:
        raise BackendError(f"{adapter.name}: an adapter needs the package peft; {INSTALL}")
    from peft import PeftConfig, PeftModel

    with _readable(adapter, "adapter"):
        if PeftConfig.from_pretrained(adapter.name, revision=adapter.commit).is_prompt_learning:
            raise BackendError(
                f"{adapter.name}: adapters of virtual tokens are not supported; use one of layers"
            )
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            adapted = PeftModel.from_pretrained(model, adapter.name, revision=adapter.commit)
        _check_adapter(adapter, adapted, [str(one.message) for one in said])
    return adapted.get_base_model()


def _check_adapter(adapter: ModelSource, adapted: Any, said: Sequence[str]) -> None:
    """Raise BackendError where adapter and model have not the same tensors: peft goes on without.

    said: peft's warnings while it was loaded.
    """
    from peft import get_peft_model_state_dict, load_peft_weights

    wrong = "it is not whole, or was trained on another model"
    if missing := [warning for warning in said if "missing adapter keys" in warning]:
        names = re.findall(r"'([^']+)'", missing[0])
        raise BackendError(
            f"{adapter.name}: the adapter lacks {len(names)} tensors, {names[0]} among them: {wrong}"
        )
    stored = load_peft_weights(adapter.name, device="cpu", revision=adapter.commit)
    placed = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    if spare := sorted(name for name in stored if "lora_" in name and name not in placed):
        raise BackendError(
            f"{adapter.name}: {len(spare)} tensors of the adapter have no place in the model, {spare[0]} "
            f"among them: {wrong}"
        )


@contextmanager
def _readable(source: ModelSource, part: str) -> Iterator[None]:
    """Loading `part` of the model, quietly; what cannot be read is a BackendError."""
    require_packages()
    from pickle import UnpicklingError

    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except BackendError:
        raise
    except (
        OSError,
        ValueError,
        ImportError,
        KeyError,
        RuntimeError,
        SafetensorError,
        UnpicklingError,
    ) as error:
        raise BackendError(f"{source.name}: the {part} cannot be loaded: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The line of an error that says most. Torch names what does not fit below the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if not (lines[0].startswith("Error(s) in loading") and len(lines) > 1):
        return lines[0]
    more = f" (and {len(lines) - 2} more)" if len(lines) > 2 else ""
    way_out = (
        "; it was trained with other tokens than the model has: merge it into the model that was resized for "
        "them (merge_and_unload, save_pretrained) and give that folder"
    )
    is_of_tokens = any(name in lines[1] for name in ("embed", "lm_head", "wte"))
    return lines[1].rstrip(".") + more + (way_out if is_of_tokens else "")


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars and messages below errors."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
