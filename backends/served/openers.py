"""What opens a model behind a server of its own, by backend."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from backends.calls.endpoint_options import EndpointOptions, resolved_headers
from backends.calls.http import Http
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.dialect import Dialect
from backends.endpoints.dialects.sglang import SGLang
from backends.endpoints.endpoint_model import Remote
from backends.endpoints.openai_completions import OpenAICompletions
from backends.endpoints.openers import account_of, refuse_options
from backends.model_files.engine_model import EngineModel
from backends.served.backend import ServedBackend
from backends.served.commands import ADAPTER, sglang_command, vllm_command
from backends.served.options import ServerOptions

VLLM, SGLANG = "vllm-server", "sglang-server"
# Calls in flight, if the user says no other number: as many as vLLM runs at a time by itself.
_AT_ONCE = 256
_OWN = "the server is started here"
_REFUSED = {
    **dict.fromkeys(("base_url", "api_key", "api_key_env", "verify"), _OWN),
    "tokenizer": "it is the model's",
}


def open_vllm_server(
    name: str, *, server: ServerOptions, options: EndpointOptions, home: Path
) -> ServedBackend:
    """A model through a vLLM server, asked for completions."""
    refuse_options(f"{VLLM}:{name}", options, **_REFUSED)
    model = EngineModel(name, server, home)
    dialect = OpenAICompletions(name, name=VLLM)
    return ServedBackend(
        VLLM,
        model,
        server,
        command=partial(vllm_command, model, server),
        reach=partial(_endpoint, dialect, model, _at_full_speed(options), _headers(dialect, options), "/v1"),
        extra_body=options.extra_body,
    )


def open_sglang_server(
    name: str, *, server: ServerOptions, options: EndpointOptions, home: Path
) -> ServedBackend:
    """A model through an SGLang server, asked in its own dialect."""
    where = f"{SGLANG}:{name}"
    refuse_options(where, options, stream="its dialect has no streams", **_REFUSED)
    model = EngineModel(name, server, home)
    settings = tempfile.TemporaryDirectory(prefix="assay-sglang-")
    body = {"lora_path": ADAPTER, **options.extra_body} if server.lora else options.extra_body
    dialect = SGLang(name, name=SGLANG)
    adapted = _at_full_speed(options).model_copy(update={"extra_body": body})
    return ServedBackend(
        SGLANG,
        model,
        server,
        command=lambda port, key: sglang_command(model, server, port, key, Path(settings.name)),
        reach=partial(_endpoint, dialect, model, adapted, _headers(dialect, options), ""),
        extra_body=options.extra_body,
    )


def _headers(dialect: Dialect, options: EndpointOptions) -> Mapping[str, str]:
    return resolved_headers(options, f"{dialect.name}:{dialect.model}")


def _endpoint(
    dialect: Dialect,
    model: EngineModel,
    options: EndpointOptions,
    own: Mapping[str, str],
    path: str,
    address: str,
    key: str,
) -> EndpointBackend:
    """The endpoint that a running server is, at `path` below its address. own: the user's headers."""
    headers = {"authorization": f"Bearer {key}", **own}
    http = Http(address + path, headers, secrets=[key, *own.values()], is_here=True)
    return EndpointBackend(Remote(dialect, http, options, account_of(key, own), model.tokens))


def _at_full_speed(options: EndpointOptions) -> EndpointOptions:
    if "max_concurrency" in options.model_fields_set:
        return options
    return options.model_copy(update={"max_concurrency": _AT_ONCE})
