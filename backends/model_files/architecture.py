"""Whether a model is one that can be asked: a decoder, which goes on from a text."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from backends.errors import BackendError
from backends.model_files.source import ModelSource


def check_files(source: ModelSource) -> None:
    """Raise BackendError for an encoder-decoder, as far as its `config.json` says so; nothing is loaded."""
    try:
        config = json.loads((source.folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise BackendError(f"{source.name}: config.json is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise BackendError(f"{source.name}: config.json is no JSON object")
    check_decoder(source.name, config)
    if isinstance(config.get("text_config"), dict):
        check_decoder(source.name, config["text_config"])


def check_decoder(name: str, config: Mapping[str, Any]) -> None:
    """Raise BackendError for the configuration of an encoder-decoder, unless a decoder was made of it
    (`BartForCausalLM`): asked as one, it would answer without its encoder having read the text."""
    made = config.get("architectures") or ()
    if config.get("is_encoder_decoder") and not any(one.endswith("ForCausalLM") for one in made):
        kind = f" ({config['model_type']})" if config.get("model_type") else ""
        raise BackendError(
            f"{name}: an encoder-decoder{kind}, which cannot be asked yet; give a decoder, whose config.json "
            "names an architecture like LlamaForCausalLM"
        )


def why_incomplete(config: Any, model: Any, missing: Iterable[str]) -> str:
    """What is said of tensors that a model has and its files have not. config: of transformers."""
    names = sorted(missing)
    said = f"the weight files lack {len(names)} tensors of the model, {names[0]} among them"
    own = list(config.architectures or ())
    if own and type(model).__name__ not in own:
        return f"{said}: they are of a {own[0]} (config.json), not of a {type(model).__name__}"
    return f"{said}; check that the download is complete"
