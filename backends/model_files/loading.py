"""Opening tokenizer, configuration and model with transformers, each by itself and without noise."""

import importlib.util
from collections.abc import Iterator
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


def count_parameters(config: Any, *, trust_remote_code: bool) -> int:
    """How many parameters the architecture has, tied ones once, without reading weights."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"), quiet():
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    return int(model.num_parameters())


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
        adapted = PeftModel.from_pretrained(model, adapter.name, revision=adapter.commit)
    return adapted.get_base_model()


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
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BackendError(f"{source.name}: the {part} cannot be loaded: {reason}") from error


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
