"""What a model's own files say of how texts are generated; it acts where a request says nothing else."""

from typing import Any

from backends.model_files.source import ModelSource

# What is always set by a request, or changes no text.
_WITHOUT_EFFECT = (
    *("transformers_version", "_from_model_config", "do_sample", "max_length", "max_new_tokens", "use_cache"),
    *("bos_token_id", "pad_token_id", "decoder_start_token_id", "cache_implementation", "cache_config"),
    *("output_attentions", "output_hidden_states", "output_scores", "output_logits"),
    *("return_dict_in_generate", "num_return_sequences"),
)
# Which only act where a text is drawn.
DRAWING = ("temperature", "top_k", "top_p", "top_h", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")


def generation_config(source: ModelSource, config: Any) -> dict[str, Any]:
    """What `generation_config.json`, or for want of one `config.json`, says that is not as usual."""
    from transformers import GenerationConfig

    from backends.model_files.loading import quiet

    with quiet():
        try:
            own = GenerationConfig.from_pretrained(source.name, revision=source.commit or "main")
        except OSError:  # most often there is none
            own = GenerationConfig.from_model_config(config)
    said: dict[str, Any] = own.to_diff_dict()
    return {name: value for name, value in said.items() if name not in _WITHOUT_EFFECT and value is not None}


def library_defaults() -> dict[str, Any]:
    """How transformers draws where nobody says anything: it leaves all but the likeliest tokens out."""
    from transformers import GenerationConfig

    defaults: dict[str, Any] = GenerationConfig._get_default_generation_params()
    return {name: defaults[name] for name in ("temperature", "top_k")}
