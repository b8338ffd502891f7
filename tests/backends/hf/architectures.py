"""Every causal architecture of transformers as a tiny random model, and its numbers by plain forward passes.

A configuration is shrunk by the names of its keys; windows and tables stay short enough that texts cross
them. Weights are larger than usual, so that what a token attends to shows in its numbers.
"""

import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from backends.hf.backend import HFBackend
from backends.model_files.tokenization import Query
from backends.requests import Request
from tests.backends.hf.plain_passes import answers, plain_logprob, plain_text

VOCABULARY = 512
WINDOW = 48
POSITIONS = 256
WRITTEN = 8
# By the end of a key's name, the first that fits: what it becomes.
_SIZES: Mapping[str, int] = {
    "vocab_size": VOCABULARY,
    "vocab_size_per_layer_input": VOCABULARY,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "mask_token_id": 3,
    "unk_token_id": 3,
    "sep_token_id": 2,
    "cls_token_id": 1,
    "num_key_value_heads": 2,
    "num_kv_heads": 2,
    "swa_num_key_value_heads": 2,
    "num_attention_groups": 2,
    "num_attention_heads": 4,
    "attention_heads": 4,
    "n_head": 4,
    "n_heads": 4,
    "num_heads": 4,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "qk_head_dim": 16,
    "head_dim": 16,
    "rotary_dim": 8,
    "lora_rank": 16,
    "hidden_size_per_layer_input": 16,
    "intermediate_size": 64,
    "ffn_dim": 64,
    "ffn_hidden_size": 64,
    "n_inner": 64,
    "d_ff": 64,
    "hidden_size": 64,
    "embedding_size": 64,
    "d_model": 64,
    "n_embd": 64,
    "num_experts": 4,
    "n_routed_experts": 4,
    "num_local_experts": 4,
    "moe_num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_k": 2,
    "n_group": 1,
    "topk_group": 1,
    "state_size": 8,
    "sliding_window": WINDOW,
    "window_size": WINDOW,
    "attention_window": WINDOW,
    "attention_chunk_size": WINDOW,
    "max_position_embeddings": POSITIONS,
    "n_positions": POSITIONS,
    "n_ctx": POSITIONS,
    "max_seq_len": POSITIONS,
    "context_length": POSITIONS,
}
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers")
# What else is not as usual.
_OTHERS: Mapping[str, Any] = {
    "is_decoder": True,
    "is_encoder_decoder": False,
    "num_experts_per_tok": 2,
    "num_experts_per_token": 2,
    "attn_layer_indices": [1, 3],
    "attention_types": [[["global", "local"], 2]],
    "rope_scaling": None,
}
TEXT = "Once upon a time there was a little girl named Lily. She liked to play in the big park with her dog. "


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an architecture. kind: `agrees`, `differs`, or `not built`. why: in one line."""

    kind: str
    why: str = ""


def architectures() -> list[str]:
    return list(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def save_tiny(architecture: str, tokenizer: Any, folder: Path, layers: int) -> None:
    """Write a tiny model of the architecture. Raises whatever its code raises."""
    config = tiny_config(CONFIG_MAPPING[architecture], layers)
    torch.manual_seed(7)
    cls = getattr(transformers, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[architecture])
    model = cls(config).float().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim >= 2 and weight.is_floating_point():
                weight.normal_(0, 1.5 / math.sqrt(weight.shape[-1]))
    # Some force an EOS as the last token.
    model.generation_config = transformers.GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def tiny_config(cls: Any, layers: int) -> Any:
    """The smallest configuration of a class that still has each kind of layer."""
    usual = cls()
    given: dict[str, Any] = {}
    names = set(usual.to_dict())
    for name, value in usual.to_dict().items():
        nested = usual.sub_configs.get(name) if isinstance(value, dict) else None
        if nested is not None and {"hidden_size", "d_model", "num_hidden_layers"} & set(value):
            given[name] = tiny_config(type(getattr(usual, name)), layers)
        elif name == "head_dim" and value is None:
            given[name] = _SIZES[name]
        elif name in _OTHERS:
            given[name] = _OTHERS[name]
        elif type(value) is int and (size := _size(name, layers)) is not None:
            given[name] = size
    if "qk_rope_head_dim" in names and "head_dim" in given:
        given["head_dim"] = given["qk_rope_head_dim"]
    if "qk_rope_head_dim" in names and "num_key_value_heads" in given:
        given["num_key_value_heads"] = given["num_attention_heads"]
    return cls(**given)


def _size(name: str, layers: int) -> int | None:
    if name in _LAYERS:
        return layers
    exact = _SIZES.get(name)
    if exact is not None:
        return exact
    return next((size for end, size in _SIZES.items() if name.endswith(f"_{end}")), None)


def texts() -> list[tuple[str, str]]:
    """Contexts and continuations below and beyond windows, some beginning alike, several to a context."""
    few_shot = TEXT * 2
    asked = [
        (f"{TEXT[:30]} {word}", choice) for word in ("The", "A dog") for choice in (" cat", " park it is")
    ]
    asked += [
        (few_shot + f"Then {word}", choice)
        for word in ("Lily", "the dog")
        for choice in (" ran", " was happy.")
    ]
    asked += [("One", f" {TEXT}{TEXT[start:]}") for start in (0, 40)]
    return [*asked, ("a", " dog")]


def outcome(folder: Path) -> Outcome:
    """Compare what the backend gives, whatever it shares, with plain forward passes."""
    backend = HFBackend(str(folder), device="cpu", dtype="float32", max_length=POSITIONS - 8)
    requests = [Request("loglikelihood", *pair) for pair in texts()]
    tokenization = backend._tokenization
    queries = [query for query in tokenization.queries(requests) if isinstance(query, Query)]
    true = [plain_logprob(backend.model, query) for query in queries]
    if not all(map(math.isfinite, true)):
        return Outcome("not built", "its random weights give NaN")
    got = [response.logprob or math.nan for response in answers(backend, requests)]
    off = max(abs(a - b) for a, b in zip(got, true, strict=True))
    if not off < 1e-3:
        return Outcome("differs", f"log-likelihoods by {off:.3g}")
    prompts = [TEXT[:9], TEXT * 2, TEXT[:60]]
    writing = [Request("generate_until", one, generation={"max_gen_toks": WRITTEN}) for one in prompts]
    written = [one.text for one in answers(backend, writing)]
    alone = [plain_text(backend, prompt, WRITTEN) for prompt in prompts]
    if written != alone:
        return Outcome("differs", f"greedy texts: {written} for {alone}")
    ways = f"{backend._loglikelihoods.way_for(1)}, {backend._generations.way_for(1)}"
    return Outcome("agrees", ways)


def outcomes(tokenizer: Any, root: Path) -> Iterator[tuple[str, Outcome]]:
    """Each architecture and what became of it: some have a layer of each kind only among more layers."""
    for name in architectures():
        found = _outcome_of(name, tokenizer, root / name, layers=4)
        if found.kind == "not built":
            more = _outcome_of(name, tokenizer, root / f"{name}-more", layers=8)
            found = found if more.kind == "not built" else more
        yield name, found


def _outcome_of(name: str, tokenizer: Any, folder: Path, layers: int) -> Outcome:
    try:
        save_tiny(name, tokenizer, folder, layers)
        return outcome(folder)
    except Exception as error:  # noqa: BLE001 - whatever the code of an architecture raises is what the table says
        reason = " ".join(str(error).split())[:150]
        return Outcome("not built", f"{type(error).__name__}: {reason}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
