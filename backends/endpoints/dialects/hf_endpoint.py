"""Hugging Face's inference providers and endpoints, by OpenAI's chat completions."""

from pathlib import Path

from backends.calls.endpoint_options import EndpointOptions, api_key
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.openai_chat import OpenAIChat
from backends.endpoints.openers import remote
from backends.errors import BackendError

_ROUTER = "https://router.huggingface.co/v1"


def open_hf_endpoint(name: str, *, options: EndpointOptions, home: Path) -> EndpointBackend:
    """A model `org/model` or `org/model:provider` of the providers; or an endpoint's, at its own `base_url`.

    The key is that of HF_TOKEN, else the one that `hf auth login` kept.
    """
    dialect = OpenAIChat(name, name="hf-endpoint")
    where = f"{dialect.name}:{name}"
    key = api_key(options, "HF_TOKEN", required=False, backend=where) or _kept_token()
    if key is None and options.base_url in (None, _ROUTER):
        raise BackendError(f"{where}: set HF_TOKEN, or log in with `hf auth login`")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return EndpointBackend(remote(dialect, options, options.base_url or _ROUTER, home, headers, key))


def _kept_token() -> str | None:
    from huggingface_hub import get_token

    return get_token()
