"""A model's files as an inference engine runs them: what they are, its tokenizer, its adapter."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from backends.errors import BackendError
from backends.model_files.architecture import check_files
from backends.model_files.engine_options import EngineOptions
from backends.model_files.fingerprint import Digests, adapter_identity, declared_dtype, model_identity
from backends.model_files.source import ModelSource, locate
from backends.model_files.tokens import EndpointTokens

# Tokens that an engine must have room for beyond those the model has to read: the last one that is scored,
# which is only predicted, is sent too, and at least one is written.
SPARE = 2
# The ranks of adapters that vLLM has room for.
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


@dataclass(frozen=True)
class EngineModel:
    """name: the folder, or a hub id. home: where digests of weight files are remembered."""

    name: str
    options: EngineOptions
    home: Path | None

    @cached_property
    def source(self) -> ModelSource:
        """Where the model's files are. Raises BackendError also for an encoder-decoder."""
        source = locate(self.name, self.options.revision)
        check_files(source)
        return source

    @cached_property
    def adapter(self) -> ModelSource | None:
        """Where the adapter's files are."""
        return locate(self.options.lora, None, "adapter_config.json") if self.options.lora else None

    @cached_property
    def tokens(self) -> EndpointTokens:
        """The model's tokenizer, by the rules of the `hf` backend."""
        return EndpointTokens(
            self.name,
            self.options.max_length,
            self.home,
            spare=SPARE,
            revision=self.options.revision,
            trust_remote_code=self.options.trust_remote_code,
            add_bos_token=self.options.add_bos_token,
        )

    @property
    def engine_length(self) -> int:
        """Tokens of prompt and answer that the engine must have room for."""
        return self.tokens.max_length + SPARE

    @property
    def dtype(self) -> str:
        """As said, else as the model's configuration says: engines would make float32 smaller."""
        if self.options.dtype != "auto":
            return self.options.dtype
        declared = declared_dtype(json.loads((self.source.folder / "config.json").read_text()))
        return "auto" if declared == "checkpoint" else declared

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """What of the files and options decides the model's answers, as in the `hf` backend."""
        options, digests = self.options, Digests(self.home)
        return {
            **model_identity(self.source, digests, with_code=options.trust_remote_code),
            "adapter": adapter_identity(self.adapter, digests) if self.adapter else "none",
            "dtype": self.dtype,
            "quantization": options.quantization or "default",
            "max_length": "default" if options.max_length is None else str(options.max_length),
            "add_bos_token": "default" if options.add_bos_token is None else str(options.add_bos_token),
        }

    @property
    def adapter_rank(self) -> int:
        """The rank that an engine must have room for. Raises BackendError where it is too large."""
        assert self.adapter is not None, "asked only where there is an adapter"
        rank = int(json.loads((self.adapter.folder / "adapter_config.json").read_text()).get("r", 8))
        fitting = [known for known in _RANKS if known >= rank]
        if not fitting:
            raise BackendError(
                f"{self.adapter.name}: an adapter of rank {rank}; vLLM takes up to {_RANKS[-1]}"
            )
        return fitting[0]

    def describe(self) -> Mapping[str, Any]:
        """What a reader of results wants to know."""
        tokenizer = self.tokens.tokenizer
        return {
            "name": self.name,
            "revision": self.source.commit,
            "adapter": self.options.lora,
            "dtype": self.dtype,
            "quantization": self.options.quantization,
            "max_length": self.tokens.max_length,
            "eos_token": tokenizer.eos_token,
            "bos_token": tokenizer.bos_token,
        }
