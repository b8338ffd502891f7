"""Where a key would stand in what users write, so that none gets into a spec, a result or a message.

A key is named by reference (`env:VARIABLE`, `secret:NAME`). One that is written out is known by the name
before it, by its place in an address, or by its looks.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from backends.errors import BackendError

REFERENCES = ("env:", "secret:")
WAY_OUT = "a key, which no spec may hold: say where it is, as env:VARIABLE or secret:NAME"

# Names by their last word, with any dashes; `tokenizer`, `max_tokens`, `api_key_env` are none.
_WORDS = (
    *(
        "key",
        "apikey",
        "token",
        "password",
        "sslpassword",
        "passwd",
        "secret",
        "authorization",
        "auth",
        "bearer",
    ),
    *("credential", "credentials", "cookie", "signature"),
)
_KEY_NAME = re.compile(rf"(.*[-_.])?({'|'.join(_WORDS)})", re.IGNORECASE)
# Parameters of generation and of servers whose names end so, and which are texts or numbers of no worth.
_NO_KEYS = frozenset(
    {"prompt_cache_key", "cache_key", "sort_key", "eos_token", "bos_token", "pad_token", "unk_token"}
    | {"end_token", "start_token", "stop_token", "mask_token", "think_end_token", "add_bos_token"}
)
# What keys of providers begin with, and what stands before one in a header.
_KEY_LOOKS = re.compile(
    r"bearer\s+[\w.~+/=-]{6,}|basic\s+[\w+/-]{10,}="
    r"|(?<![A-Za-z0-9])("
    r"sk-(?=[\w-]*\d)[\w-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|xox[abprs]-[\w-]{10,}"
    r"|(AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}|gsk_\w{20,}|r8_\w{20,}|nvapi-[\w-]{20,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,})",
    re.IGNORECASE,
)
_OPAQUE = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\w+/=.-]{16,}")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
# The user of these addresses is a login; that of a database's is no secret.
_WEB = ("http", "https", "ws", "wss", "s3", "dask", "ray", "tcp", "tls")

# Names of keys for what checks a JSON schema, which knows no flag for any case.
KEY_NAME_IN_ANY_CASE = (
    r"([^=&]*[-_.])?("
    + "|".join("".join(f"[{letter}{letter.upper()}]" for letter in word) for word in _WORDS)
    + ")"
)


def is_key_name(name: str) -> bool:
    """Whether what has this name is a key."""
    return name.lower().replace("-", "_") not in _NO_KEYS and _KEY_NAME.fullmatch(name) is not None


def check_no_key(value: object, where: str = "") -> None:
    """Raise BackendError where a value, or anything in it, holds a key.

    where: what the message begins with; it repeats no value.
    """
    match value:
        case str():
            _check_text(value, where)
        case Mapping():
            for name, inner in value.items():
                if is_key_name(str(name)) and _is_written_out(inner):
                    raise BackendError(f"{where}{name} is {WAY_OUT}")
                check_no_key(inner, where)
        case list() | tuple():
            for inner in value:
                check_no_key(inner, where)
        case _:
            pass


def shown(value: object) -> str:
    """A value as messages repeat it: not at all where it may be a key, or hold one."""
    text = str(value)
    may_be_key = _KEY_LOOKS.search(text) or _OPAQUE.search(text) or "://" in text
    return "(not shown: it may hold a key)" if may_be_key else repr(value)


def _check_text(text: str, where: str) -> None:
    if _KEY_LOOKS.search(text):
        raise BackendError(f"{where}holds what looks like {WAY_OUT}")
    for address in _ADDRESS.findall(text):
        parts = urlsplit(address)
        user, at, _ = parts.netloc.rpartition("@")
        name, colon, password = user.partition(":")
        if at and ((colon and password) or (name and parts.scheme.lower() in _WEB)):
            raise BackendError(f"{where}the address holds a login or password, which no spec may hold")
        for option, given in parse_qsl(f"{parts.query}&{parts.fragment}"):
            if is_key_name(option) and _is_written_out(given):
                raise BackendError(f"{where}{option} in the address is {WAY_OUT}")


def _is_written_out(value: object) -> bool:
    """Whether a value is none of a reference, a switch, a number, nothing."""
    if isinstance(value, str):
        return bool(value) and not value.startswith(REFERENCES) and value not in ("true", "false")
    return isinstance(value, list | Mapping) and bool(value)
