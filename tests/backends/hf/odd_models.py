"""Tiny random models whose layers read texts in ways that not all sharing respects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.backends.hf.test_loglikelihood import tiny_tokenizer

SIZES = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "initializer_range": 0.3,
    "max_position_embeddings": 258,
}
LAYERS = {"num_hidden_layers": 2}
FACTORS = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
LIMIT = 40  # of windows, and of the positions where factors change
CONFIGS: dict[str, Callable[[], Any]] = {
    "llama": lambda: transformers.LlamaConfig(**SIZES, **LAYERS),
    "local attention": lambda: transformers.GPTNeoConfig(
        **{**SIZES, "num_heads": 4},
        num_layers=2,
        attention_types=[[["global", "local"], 1]],
        window_size=LIMIT,
    ),
    "factors by length": lambda: transformers.Phi3Config(
        **SIZES,
        **LAYERS,
        pad_token_id=0,
        original_max_position_embeddings=LIMIT,
        rope_parameters={**FACTORS, "rope_theta": 10000.0, "original_max_position_embeddings": LIMIT},
    ),
    "positions from tokens": lambda: transformers.RobertaConfig(
        **SIZES, **LAYERS, pad_token_id=2, is_decoder=True
    ),
    "sees what follows": lambda: transformers.BertConfig(**SIZES, **LAYERS, pad_token_id=2, is_decoder=False),
    "keeps some keys": lambda: transformers.DogeConfig(
        **SIZES, **LAYERS, num_key_value_heads=2, keep_window_size=LIMIT
    ),
    "no attention mask": lambda: transformers.RwkvConfig(
        vocab_size=300, hidden_size=32, attention_hidden_size=32, num_hidden_layers=2, context_length=256
    ),
}


def odd_model(root: Path, name: str) -> Path:
    """The folder of a model by what is odd about it, made where it is not there."""
    path = root / name.replace(" ", "-")
    if not path.exists():
        torch.manual_seed(5)
        model = transformers.AutoModelForCausalLM.from_config(CONFIGS[name](), dtype=torch.float32)
        if name == "no attention mask":
            for weight in model.parameters():
                torch.nn.init.normal_(weight, 0, 0.3)
        model.save_pretrained(path)
        tiny_tokenizer().save_pretrained(path)
    return path
