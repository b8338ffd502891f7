"""Where a key would stand in what users write, so that none gets into a spec, a result or a message.

A key is named by reference (`env:VARIABLE`, `secret:NAME`). One that is written out is known by the name
before it, by its place in an address, or by its looks.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from urllib.parse import parse_qsl, unquote, urlsplit

from backends.errors import BackendError

REFERENCES = ("env:", "secret:")
_REFERENCE = re.compile(r"env:[A-Za-z_]\w*|secret:[A-Za-z0-9][\w. -]*")
WAY_OUT = "a key, which no spec may hold: say where it is, as env:VARIABLE or secret:NAME"
_LOGIN = "the address holds a login or password, which no spec may hold"

# Names by their last word, with any dashes; `tokenizer`, `max_tokens`, `api_key_env` are none.
_WORDS = (
    *("key", "apikey", "token", "secret", "authorization", "auth", "bearer"),
    *("password", "sslpassword", "passwd", "passphrase", "pwd"),
    *("credential", "credentials", "cookie", "signature"),
)
_KEY_NAME = re.compile(rf"(.*[-_.])?({'|'.join(_WORDS)})", re.IGNORECASE | re.DOTALL)
_NEW_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Parameters of generation and of servers whose names end so, and which are texts or numbers of no worth.
_NO_KEYS = frozenset(
    {"prompt_cache_key", "cache_key", "sort_key", "eos_token", "bos_token", "pad_token", "unk_token"}
    | {"end_token", "start_token", "stop_token", "mask_token", "think_end_token", "add_bos_token"}
)
# Headers carry keys under many names: any of which this is a part.
_HEADER_WORDS = ("auth", "key", "token", "cookie", "secret", "password")
_SCHEMES = re.compile(r"(bearer|basic|token|apikey|digest)\s+\S", re.IGNORECASE)
# The identifier of a token in a vocabulary is smaller.
_LONG_NUMBER = 10**7

# What keys of providers look like, and what stands before one in a header; also for what checks a JSON
# schema, which knows no flag for any case.
_LOOKS = (
    r"[Bb][Ee][Aa][Rr][Ee][Rr]\s+(?=\S*\d)[\w.~+/=-]{8,}|[Bb][Aa][Ss][Ii][Cc]\s+[\w+/-]{10,}="
    r"|(^|[^A-Za-z0-9])("
    r"[Ss][Kk]-(?=[\w-]{0,200}(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{12})[\w-]{12,}"
    r"|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}"
    r"|(AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}|gsk_\w{20,}|xai-\w{20,}|pplx-\w{20,}|r8_\w{20,}|nvapi-[\w-]{20,}"
    r"|eyJ[\w-]{8,2000}\.[\w-]{8,4000}\.[\w-]{8,}|hooks\.slack\.com/services/\w)"
)
_KEY_LOOKS = re.compile(_LOOKS)
# A word that may be a key of no known provider.
_OPAQUE = re.compile(r"(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{8,}|[\w+=-]{24,}")
# Schemes are short, and a long word is not gone through again from each of its letters.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,40}:/{1,2}[^/\s]\S*")
# One word `name=value`, as it stands behind a command, or a part of an address' query.
_PAIR = re.compile(r"(?:^-{0,2}|[?&#;])([\w.-]+)=([^?&#;]+)")
_JSON_PAIR = re.compile(r"""["']([\w.-]+)["']\s*:\s*["']?([^"',}\s]+)""")
# The user of these addresses is a login; that of a database's is no secret.
_WEB = ("http", "https", "ws", "wss", "s3", "dask", "ray", "tcp", "tls")

# Names of keys for what checks a JSON schema.
_ANY_CASE = "|".join("".join(f"[{letter}{letter.upper()}]" for letter in word) for word in _WORDS)
_CAPITAL = "|".join(word.capitalize() for word in _WORDS)
_NONE = rf"(?!({'|'.join(sorted(_NO_KEYS))})(=|$))"
KEY_NAME_IN_ANY_CASE = rf"{_NONE}(([^=&]*[-_.])?({_ANY_CASE})|[^=&]*[a-z0-9]({_CAPITAL}))"
# A text that is none, for a JSON schema: no looks of a key, and no password or login in an address.
NO_KEY_IN_TEXT = rf"^(?![\s\S]*({_LOOKS}))(?![\s\S]*://[^/?#@\s]*:[^/?#@\s]*@)(?![\s\S]*https?://[^/?#@\s]+@)"


def is_key_name(name: str) -> bool:
    """Whether what has this name is a key."""
    word = _NEW_WORD.sub("_", name)
    return word.lower().replace("-", "_") not in _NO_KEYS and _KEY_NAME.fullmatch(word) is not None


def is_secret_header(name: str) -> bool:
    """Whether a header carries a key."""
    return any(word in name.lower() for word in _HEADER_WORDS)


def check_no_key(value: object, where: str = "") -> None:
    """Raise BackendError where a value, or anything in it, holds a key; JSON in a text is looked into.

    where: what the message begins with; it repeats no value.
    """
    match _meant(value):
        case str() as text:
            check_text(text, where)
        case Mapping() as mapping:
            for name, inner in mapping.items():
                _check_named(str(name), inner, where)
        case list() | tuple() as several:
            _check_flags([one for one in several if isinstance(one, str)], where)
            for inner in several:
                check_no_key(inner, where)
        case _:
            pass


def check_texts(value: object, where: str = "") -> None:
    """As `check_no_key`, of texts alone: what is in a mapping has names of another kind."""
    match value:
        case str():
            check_text(value, where)
        case Mapping():
            for name, inner in value.items():
                check_text(str(name), where)
                check_texts(inner, where)
        case list() | tuple():
            for inner in value:
                check_texts(inner, where)
        case _:
            pass


def check_place(text: str, where: str = "") -> None:
    """As `check_no_key`, of a text that says where something is, and so is no prose."""
    for word in {*text.split(), "%20".join(text.split())}:
        check_text(word, where)


def check_text(text: str, where: str = "") -> None:
    """As `check_no_key`, of a text as it is."""
    if _KEY_LOOKS.search(text):
        raise BackendError(f"{where}holds what looks like {WAY_OUT}")
    for address in _ADDRESS.findall(text.replace("\\", "/")):
        _check_address(address, where)
    if " " not in text:
        _check_pairs(_PAIR.findall(text), where)
    if text.lstrip().startswith(("{", "[")):
        _check_pairs(_JSON_PAIR.findall(text), where)


def shown(value: object) -> str:
    """A value as messages repeat it: not at all where it may be a key, or hold one."""
    text = str(value)
    may_be_key = "@" in text or _KEY_LOOKS.search(text) or _OPAQUE.search(text)
    return "(not shown: it may hold a key)" if may_be_key else repr(value)


def without_keys(message: str) -> str:
    """What another program says, without words that may be keys."""
    return _OPAQUE.sub("(not shown)", _ADDRESS.sub("(not shown)", message))


def _meant(value: object) -> object:
    """A value, or the object or list that its JSON stands for, such as headers."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value  # whoever wants JSON says what is wrong with it


def _check_named(name: str, value: object, where: str) -> None:
    meant = _meant(value)
    if is_key_name(name) and _is_written_out(meant):
        raise BackendError(f"{where}{name} is {WAY_OUT}")
    if name.lower().endswith("headers") and isinstance(meant, Mapping):
        for header, text in meant.items():
            if isinstance(text, str) and _is_key_in_header(str(header), text):
                raise BackendError(f"{where}header {header} is {WAY_OUT}")
    if name.lower().endswith("url") and isinstance(meant, str) and re.search("[@#]", meant):
        raise BackendError(f"{where}{_LOGIN}")
    check_text(name, where)
    check_no_key(meant, where)


def _is_key_in_header(name: str, value: str) -> bool:
    return bool(_SCHEMES.match(value)) or (is_secret_header(name) and not _REFERENCE.fullmatch(value))


def _check_flags(words: Sequence[str], where: str) -> None:
    """Of a command line: a key is the word after its name."""
    for name, value in pairwise(words):
        if name.startswith("-") and is_key_name(name.lstrip("-")) and not value.startswith("-"):
            raise BackendError(f"{where}{name} is {WAY_OUT}")


def _check_pairs(pairs: Sequence[tuple[str, str]], where: str) -> None:
    for name, value in pairs:
        if is_key_name(name) and _is_written_out(unquote(value)):
            raise BackendError(f"{where}{name} is {WAY_OUT}")


def _check_address(address: str, where: str) -> None:
    """A part behind a colon that is no port begins a password, one with a slash in it for instance."""
    scheme, _, rest = address.partition(":")
    parts = urlsplit(f"{scheme}://{rest.lstrip('/')}")
    user, at, host = parts.netloc.rpartition("@")
    name, colon, password = unquote(user).partition(":")
    port = re.sub(r"^\[.*\]", "", host).partition(":")[2]
    if at and ((colon and password) or (name and scheme.lower() in _WEB)):
        raise BackendError(f"{where}{_LOGIN}")
    if not at and port and not port.isdecimal() and "@" in rest:
        raise BackendError(f"{where}{_LOGIN}")
    if parts.fragment and _OPAQUE.fullmatch(parts.fragment):
        raise BackendError(f"{where}the end of the address looks like {WAY_OUT}")
    for option, given in parse_qsl(f"{parts.query}&{parts.fragment}"):
        if is_key_name(option) and _is_written_out(given):
            raise BackendError(f"{where}{option} in the address is {WAY_OUT}")
        check_place(given, where)


def _is_written_out(value: object) -> bool:
    """Whether a value is none of a reference, a switch, a small number, nothing."""
    if isinstance(value, str):
        return bool(value) and not _REFERENCE.fullmatch(value) and value not in ("true", "false")
    if isinstance(value, int):
        return value >= _LONG_NUMBER
    return isinstance(value, list | Mapping) and bool(value)
