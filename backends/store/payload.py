"""A response as bytes: JSON of what differs from the defaults, zstd-compressed where that is shorter.

The first byte says which: `j` JSON, `z` zstd. Floats are written so that they read back bit for bit, and
lone surrogates in text survive.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import zstandard

from backends.requests import Call, Response

_JSON, _ZSTD = b"j", b"z"
# What a payload has no place for: a version that does not know it could not read it.
_NOT_KEPT = frozenset(("system_fingerprint", "prompt_cut"))
_DEFAULTS = [(field.name, field.default) for field in fields(Response) if field.name not in _NOT_KEPT]
_CALL_DEFAULTS = [(field.name, field.default) for field in fields(Call) if field.name not in _NOT_KEPT]
# A zstd frame has some 15 bytes of its own; JSON under this size is rarely shorter in one.
_WORTH_COMPRESSING = 96
# A log-likelihood that is not 0 or a negative number, and an empty text; nothing within a JSON text matches.
_UNFIT = re.compile(rb'"logprob":(?!-\d|0\.0[,}])|"text":""')
# An answer as plain JSON without the times of a call, as nearly all plain ones are: what is not like that is
# decoded to see whether it is whole. Those that are compressed have a checksum.
_FLAT = re.compile(
    rb'\{(?:"(?:%s)":(?:-?\d[\d.e+-]*|true|false|null|"(?:[^"\\]|\\.)*")(?:,(?!\})|(?=\})))*\}'
    % b"|".join(name.encode() for name, _ in _DEFAULTS),
    re.DOTALL,
)
# What a damaged size field may make us allocate at most: 1 GiB, far above any answer.
_LARGEST = 1 << 30


class Codec:
    """Encodes and decodes responses; one for each thread, since zstd contexts are not shared."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
        self._decompressor = zstandard.ZstdDecompressor()

    def encode(self, response: Response) -> bytes:
        """The response's bytes. Raises TypeError for a value that is not JSON's."""
        content = _differing(response, _DEFAULTS)
        if response.call is not None:
            content["call"] = _differing(response.call, _CALL_DEFAULTS)
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        plain = text.encode("utf-8", "surrogatepass")
        if len(plain) < _WORTH_COMPRESSING:
            return _JSON + plain
        packed = self._compressor.compress(plain)
        return _ZSTD + packed if len(packed) < len(plain) else _JSON + plain

    def decode(self, payload: bytes) -> Response:
        """The response of `encode`. Raises ValueError for anything else."""
        content = json.loads(self._plain(payload).decode("utf-8", "surrogatepass"))
        if "call" in content:
            content["call"] = _call(content["call"])
        return Response(**content)

    def looks_unfit(self, payload: bytes) -> bool:
        """Whether `backends.answer_faults.may_not_stand` may be true of its response; at a fifth of the time
        that decoding takes. Raises ValueError as `decode` does."""
        plain = self._plain(payload)
        if payload[:1] == _JSON and not _FLAT.fullmatch(plain):
            self.decode(payload)
        return _UNFIT.search(plain) is not None

    def _plain(self, payload: bytes) -> bytes:
        kind, body = payload[:1], payload[1:]
        if kind not in (_JSON, _ZSTD):
            raise ValueError(f"a payload starts with {kind!r}")
        return self._unpack(body) if kind == _ZSTD else body

    def _unpack(self, body: bytes) -> bytes:
        try:
            if zstandard.frame_content_size(body) > _LARGEST:
                raise ValueError("a payload claims to be larger than any answer")
            return self._decompressor.decompress(body)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error


def _differing(value: Response | Call, defaults: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = ((name, getattr(value, name), default) for name, default in defaults)
    return {name: own for name, own, default in values if own != default}


def _call(content: dict[str, Any]) -> Call:
    return Call(**{**content, "failures": tuple(content.get("failures", ()))})
