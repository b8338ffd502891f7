"""The model behind the stand-in server: pure functions of text, so that any test can compute the truth.

A token is a word with the white space before it; what white space ends a text is a token of its own. What
comes after a text is decided by a hash of all of it: `greedy_token` is the most probable next token, and
`text_for` follows it until the text has said `#### NN`.
"""

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_TOKEN = re.compile(r"\s*\S+|\s+")
_MARK = " ####"
# Of 256 values of a byte: the mark comes after 7 words on average, so that lengths differ much.
_MARK_SHARE = 32
_SPOKEN = (
    "we have so the first number is then add two more of each and divide by three which gives us half"
    " as many left for every one that was there at noon"
)
WORDS = tuple(f" {word}" for word in _SPOKEN.split())
_NUMBERS = tuple(f" {number}" for number in range(10, 100))
_LAST = frozenset(_NUMBERS)
# The first 31 bits, as tokenizers' ids are small positive numbers.
_ID_LIMIT = 1 << 31


def short_hash(data: bytes) -> str:
    """16 hex digits that stand for the bytes."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def tokens_of(text: str) -> list[str]:
    """The tokens of a text; joined, they are the text."""
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """How many tokens a text has; much quicker than making them."""
    return len(text.split()) + (text != "" and text[-1].isspace())


class Position:
    """A place in a text: what may come next, and how probable it is."""

    __slots__ = ("_digest", "greedy")

    def __init__(self, digest: bytes, before: str) -> None:
        """digest: of all the text before this place. before: how that text ends."""
        self._digest = digest
        self.greedy = _greedy(digest, before)

    def logprob(self, token: str) -> float:
        """The natural log-probability of a token: above -0.7 for the greedy one, below -1 for all others."""
        share = zlib.crc32(_encoded(token), int.from_bytes(self._digest[4:8], "big")) / 2**32
        return -0.02 - 0.6 * share if token == self.greedy else -1.0 - 9.0 * share

    def top(self, count: int) -> dict[str, float]:
        """The most probable tokens of the vocabulary, the greedy one first, with their log-probabilities."""
        if count < 2:
            return {self.greedy: self.logprob(self.greedy)} if count else {}
        known = {token: self.logprob(token) for token in (self.greedy, *WORDS, _MARK)}
        return dict(sorted(known.items(), key=lambda item: -item[1])[:count])


def positions(prefix: str, tokens: Iterable[str]) -> Iterator[Position]:
    """The place before each token, and the one after the last."""
    state = hashlib.blake2b(_encoded(prefix), digest_size=8)
    before = prefix
    for token in tokens:
        yield Position(state.digest(), before)
        state.update(_encoded(token))
        before = token
    yield Position(state.digest(), before)


def greedy_token(prefix: str) -> str:
    """The most probable token after a text."""
    return _after(prefix).greedy


def logprob_of(prefix: str, token: str) -> float:
    """The natural log-probability of a token after a text."""
    return _after(prefix).logprob(token)


def text_for(prompt: str) -> str:
    """What the model says after a prompt: its greedy tokens, up to the number after `####`."""
    state = hashlib.blake2b(_encoded(prompt), digest_size=8)
    said = [_greedy(state.digest(), prompt)]
    while said[-1] not in _LAST:
        state.update(_encoded(said[-1]))
        said.append(_greedy(state.digest(), said[-1]))
    return "".join(said)


def chat_prompt(messages: Sequence[Mapping[str, Any]]) -> str:
    """The prompt that messages become. An image or sound is in it as a hash, so that another one counts."""
    turns = [f"{message['role']}: {content_text(message['content'])}\n" for message in messages]
    return "".join([*turns, "assistant:"])


def content_text(content: str | Sequence[Mapping[str, Any]] | None) -> str:
    """The text of a message's content, which is a string, parts, or nothing."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(
        part["text"] if part["type"] == "text" else f"[{part['type']} {short_hash(repr(part).encode())}]"
        for part in content
    )


def text_of_ids(ids: Iterable[int]) -> str:
    """The text that token ids stand for: ` t17 t4` for 17 and 4, each a token."""
    return "".join(f" t{number}" for number in ids)


def id_of(token: str) -> int:
    """The id of a token: the inverse of `text_of_ids`, and a hash for all other words."""
    if token.startswith(" t") and token[2:].isdecimal():
        return int(token[2:])
    return zlib.crc32(_encoded(token)) % _ID_LIMIT


def _greedy(digest: bytes, before: str) -> str:
    """The most probable token after a text that ends so, and whose hash this is."""
    if before.endswith("####"):
        return _NUMBERS[digest[2] % len(_NUMBERS)]
    return _MARK if digest[0] < _MARK_SHARE else WORDS[digest[1] % len(WORDS)]


def _after(prefix: str) -> Position:
    return next(positions(prefix, ()))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
