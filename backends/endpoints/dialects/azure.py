"""OpenAI's chat completions at Azure: a deployment is the model, and the key has a header of its own."""

import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from backends.calls.endpoint_options import EndpointOptions, api_key
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.openai_chat import OpenAIChat
from backends.endpoints.openers import remote, required_address

# The last of the dated versions that is not a preview.
_API_VERSION = "2024-10-21"


def open_azure(
    name: str, *, options: EndpointOptions, home: Path, api_version: str = _API_VERSION
) -> EndpointBackend:
    """A deployment of a resource: `azure:DEPLOYMENT?base_url=https://RESOURCE.openai.azure.com`."""
    path = f"/deployments/{quote(name, safe='')}/chat/completions?api-version={quote(api_version, safe='')}"
    dialect = OpenAIChat(name, path, max_tokens_key="max_completion_tokens", name="azure")
    where = f"{dialect.name}:{name}"
    usual = os.environ.get("AZURE_OPENAI_ENDPOINT")
    resource = required_address(options, where, "https://RESOURCE.openai.azure.com", usual)
    key = api_key(options, "AZURE_OPENAI_API_KEY", resource, required=not options.headers, backend=where)
    headers = {"api-key": key.value} if key.value else {}
    deployment = remote(dialect, options, f"{resource}/openai", home, headers, key)
    version = "" if api_version == _API_VERSION else api_version
    return EndpointBackend(replace(deployment, version=version))
