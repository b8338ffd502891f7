"""What users say of an endpoint in a model string; the same options for every backend that calls one."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)

from backends.calls.key_hosts import is_providers_own
from backends.calls.secrets import is_reference, looked_up
from backends.errors import BackendError
from backends.keys import is_secret_header
from backends.model_string import as_json

# What is repeated where there is no such variable; anything else may be the key itself.
_VARIABLE_NAME = re.compile(r"[A-Z]+(_[A-Z]+)*")
_LIMITS = ("max_concurrency", "requests_per_minute", "tokens_per_minute")


class EndpointOptions(BaseModel):
    """How an endpoint is reached and how hard it is asked. Seconds are seconds; rates are per minute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str | None = Field(None, description="address up to and with the version: http://host:8000/v1")
    api_key: str | None = Field(None, description="where the key is: env:VARIABLE or secret:NAME")
    api_key_env: str | None = Field(None, description="environment variable that holds the key")
    headers: Annotated[dict[str, str], BeforeValidator(as_json)] = Field(
        {}, description='JSON object of more headers; a key is named by reference: {"api-key": "env:MY_KEY"}'
    )
    extra_body: Annotated[dict[str, JsonValue], BeforeValidator(as_json)] = Field(
        {}, description="JSON object merged into every request's body; null takes a key out"
    )
    verify: bool | str = Field(True, description="check certificates: true, false, or a file of authorities")
    max_concurrency: int = Field(32, ge=1, description="most calls in flight; how many there are adapts")
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0, description="tokens in and out")
    timeout: float = Field(300.0, gt=0, description="of one try")
    total_timeout: float = Field(3600.0, gt=0, description="of all tries of a request and what is between")
    max_tries: int = Field(8, ge=1, description="of a request, the first included")
    backoff: float = Field(0.5, gt=0, description="wait before the second try; it doubles from try to try")
    give_up_after: float = Field(600.0, gt=0, description="the run stops when the endpoint is away so long")
    stream: bool = Field(False, description="have answers streamed, which times their first token")
    tokenizer: str | None = Field(None, description="folder or hub id; prompts are then sent as tokens")
    max_length: int | None = Field(None, ge=2, description="tokens the model reads at once")

    @property
    def limits(self) -> dict[str, float]:
        """How hard the endpoint may be asked, by option; what is not limited is not there."""
        own = {name: getattr(self, name) for name in _LIMITS}
        return {name: value for name, value in own.items() if value is not None}

    @property
    def open_headers(self) -> dict[str, str]:
        """The headers whose names do not say that they are secret; a value that is named by reference is not
        looked up. Headers may decide who answers: an organisation, a project, a version, a route."""
        return {name.lower(): value for name, value in self.headers.items() if not is_secret_header(name)}

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, address: str | None) -> str | None:
        if address is None:
            return None
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError("wants an address such as http://127.0.0.1:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold no key; name the variable that has it with api_key_env")
        return address.rstrip("/")

    @field_validator("headers")
    @classmethod
    def _no_literal_keys(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if is_secret_header(name) and not is_reference(value):
                raise ValueError(f"{name} is a key: say where it is, as env:VARIABLE or secret:NAME")
        return headers

    @field_validator("api_key")
    @classmethod
    def _named_key(cls, key: str | None) -> str | None:
        if key is not None and not is_reference(key):
            raise ValueError("say where the key is, as env:VARIABLE or secret:NAME")
        return key

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.api_key and self.api_key_env:
            raise ValueError("api_key and api_key_env both say where the key is: give one")
        return self


@dataclass(frozen=True, slots=True)
class Key:
    """A key, or none. kept_back: what is to be said of one that is in the usual variable and not for this
    address."""

    value: str | None = None
    kept_back: str = ""


def api_key(options: EndpointOptions, usual: str, address: str, *, required: bool, backend: str) -> Key:
    """The key that the options name; else, at its provider's own hosts, the one in the usual variable of the
    environment.

    Raises BackendError where a named or required one is not there.
    """
    variable = options.api_key_env
    if variable and variable not in os.environ and not _VARIABLE_NAME.fullmatch(variable):
        raise BackendError(f"{backend}: api_key_env names no variable of the environment: is it the key?")
    named = options.api_key or (f"env:{variable}" if variable else None)
    is_there = bool(os.environ.get(usual, "").strip())
    if named is None and not (required or is_there):
        return Key()
    if named is not None or is_providers_own(address, usual):
        return Key(looked_up(named or f"env:{usual}", backend))
    host = urlsplit(address).hostname
    kept_back = f"{usual} is not sent to {host}: where it is meant for it, say api_key=env:{usual}"
    if required:
        raise BackendError(f"{backend}: {kept_back}")
    return Key(kept_back=kept_back)


def resolved_headers(options: EndpointOptions, backend: str) -> Mapping[str, str]:
    """The headers of the options with references replaced by what they name. Raises BackendError."""
    return {
        name: looked_up(value, f"{backend}: header {name}") if is_reference(value) else value
        for name, value in options.headers.items()
    }


def secret_headers(options: EndpointOptions, resolved: Mapping[str, str]) -> list[str]:
    """The resolved values of those headers that are named by reference."""
    return [resolved[name] for name, value in options.headers.items() if is_reference(value)]


def merged_body(body: dict[str, Any], options: EndpointOptions) -> dict[str, Any]:
    """A request's body with `extra_body`, whose nulls take keys out."""
    if not options.extra_body:
        return body
    merged = {**body, **options.extra_body}
    return {name: value for name, value in merged.items() if value is not None}
