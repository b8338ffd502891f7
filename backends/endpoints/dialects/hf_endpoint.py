"""Hugging Face's inference providers and endpoints, by OpenAI's chat completions."""

from pathlib import Path

from backends.calls.endpoint_options import EndpointOptions, Key, api_key
from backends.calls.key_hosts import is_providers_own
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.openai_chat import OpenAIChat
from backends.endpoints.openers import bearer, remote
from backends.errors import BackendError

_ROUTER = "https://router.huggingface.co/v1"
_VARIABLE = "HF_TOKEN"


def open_hf_endpoint(name: str, *, options: EndpointOptions, home: Path) -> EndpointBackend:
    """A model `org/model` or `org/model:provider` of the providers; or an endpoint's, at its own `base_url`.

    The key is that of HF_TOKEN, else the one that `hf auth login` kept.
    """
    dialect = OpenAIChat(name, name="hf-endpoint")
    where = f"{dialect.name}:{name}"
    address = options.base_url or _ROUTER
    key = api_key(options, _VARIABLE, address, required=False, backend=where)
    if key.value is None and is_providers_own(address, _VARIABLE):
        key = _kept_token()
    if key.value is None and address == _ROUTER:
        raise BackendError(f"{where}: set HF_TOKEN, or log in with `hf auth login`")
    return EndpointBackend(remote(dialect, options, address, home, bearer(key), key))


def _kept_token() -> Key:
    from huggingface_hub import get_token

    return Key(get_token())
