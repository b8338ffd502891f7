"""The keys under which an answer is found again: the model's and the request's, both by content."""

import hashlib
import json
from collections.abc import Mapping


def fingerprint_key(fingerprint: Mapping[str, str]) -> str:
    """A model's identity: 32 hex digits over the canonical JSON of its fingerprint, whatever its order."""
    canonical = json.dumps(dict(fingerprint), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return _digest(canonical)


def asked_plainly(fingerprint: Mapping[str, str]) -> Mapping[str, str]:
    """The identity of a model under which stand the answers that it gives where texts share no work, in a
    store that has others of it."""
    return {**fingerprint, "asked": "sharing only what was tried"}


def request_key(model_key: str, request_digest: str) -> str:
    """The identity of one model's answer to one request: 32 hex digits, of `fingerprint_key` and
    `Request.digest`."""
    return _digest(f"{model_key}:{request_digest}")


def drawn_digest(request_digest: str, drawing: str) -> str:
    """The digest of a request for a text that is drawn in a way that has a name of its own
    (`backends.protocol.Capabilities.drawing`)."""
    return _digest(f"{drawing}:{request_digest}") if drawing else request_digest


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
