"""What opens a model behind an endpoint, by backend: its address, key and dialect."""

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from backends.calls.endpoint_options import EndpointOptions, Key, api_key, resolved_headers, secret_headers
from backends.calls.http import Http
from backends.calls.key_hosts import goes_in_the_open, is_loopback, is_providers_own
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.dialect import Dialect
from backends.endpoints.endpoint_model import Remote
from backends.endpoints.openai_chat import OpenAIChat
from backends.endpoints.openai_completions import OpenAICompletions
from backends.errors import BackendError
from backends.model_files.tokens import tokens_of

_OPENAI = "https://api.openai.com/v1"
# Said where a key is.
OPEN = "a key goes there over http, and whoever is on the way can read it: use https"


def open_chat(name: str, *, options: EndpointOptions, home: Path) -> EndpointBackend:
    """Chat completions of OpenAI, or of any server at `base_url`."""
    return EndpointBackend(openai_remote(chat(name, options), options, home))


def open_completions(name: str, *, options: EndpointOptions, home: Path) -> EndpointBackend:
    """Completions of OpenAI, or of any server at `base_url`."""
    return EndpointBackend(openai_remote(OpenAICompletions(name), options, home))


def chat(name: str, options: EndpointOptions, backend: str = "openai-chat") -> OpenAIChat:
    """The dialect of a model's chat completions."""
    key = "max_completion_tokens" if _is_openai(_address(options)) else "max_tokens"
    return OpenAIChat(name, max_tokens_key=key, name=backend)


def openai_remote(dialect: Dialect, options: EndpointOptions, home: Path) -> Remote:
    """A model at OpenAI, or at a server that speaks like it."""
    address = _address(options)
    where = f"{dialect.name}:{dialect.model}"
    key = api_key(options, "OPENAI_API_KEY", address, required=_is_openai(address), backend=where)
    return remote(dialect, options, address, home, bearer(key), key)


def bearer(key: Key) -> dict[str, str]:
    """The header that most endpoints want a key in."""
    return {"authorization": f"Bearer {key.value}"} if key.value else {}


def _address(options: EndpointOptions) -> str:
    return options.base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI


def _is_openai(address: str) -> bool:
    """Whether it is OpenAI's own, of all the world or of a region (`eu.api.openai.com`)."""
    return is_providers_own(address, "OPENAI_API_KEY")


def remote(
    dialect: Dialect,
    options: EndpointOptions,
    address: str,
    home: Path,
    headers: Mapping[str, str],
    key: Key,
) -> Remote:
    """A model of a dialect at an address. headers: of the dialect, with the key in them; the user's come
    after."""
    where = f"{dialect.name}:{dialect.model}"
    if dialect.takes_chats:
        refuse_tokens(where, options)
    own = resolved_headers(options, where)
    secrets = [one for one in (key.value, *secret_headers(options, own)) if one]
    http = Http(address, {**headers, **own}, verify=options.verify, secrets=secrets, if_refused=key.kept_back)
    if key.kept_back and not is_loopback(urlsplit(address).hostname or ""):
        http.say(key.kept_back)
    if secrets and goes_in_the_open(address):
        http.say(OPEN)
    tokens = tokens_of(options.tokenizer, options.max_length, home)
    return Remote(dialect, http, options, account_of(key.value, own), tokens)


def required_address(options: EndpointOptions, where: str, example: str, usual: str | None = None) -> str:
    """The address of an endpoint that is the user's own: `base_url`, else the usual one.

    Raises BackendError without either. usual: of the environment, where it has one.
    """
    address = options.base_url or usual
    if not address:
        raise BackendError(f"{where}: say where it is: {where}?base_url={example}")
    return address.rstrip("/")


def refuse_options(where: str, options: EndpointOptions, **reasons: str) -> None:
    """Raises BackendError for the first of these options that is set: a dialect does not have it."""
    for name, reason in reasons.items():
        if getattr(options, name) != EndpointOptions.model_fields[name].default:
            raise BackendError(f"{where}: has no option {name}: {reason}")


def refuse_tokens(where: str, options: EndpointOptions) -> None:
    """Raises BackendError for what only means something where prompts are sent as tokens."""
    texts = "a chat takes texts, which the endpoint cuts into tokens itself"
    refuse_options(where, options, tokenizer=texts, max_length=texts)


def account_of(key: str | None, headers: Mapping[str, str]) -> str:
    """What tells accounts apart; none of the secrets can be read from it."""
    return sha256("\n".join([key or "", *map(str, sorted(headers.items()))]).encode()).hexdigest()[:16]
