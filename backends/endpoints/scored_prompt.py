"""What is scored: a text or tokens sent to an endpoint, and which part of it counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from backends.endpoints.question import NotOffered
from backends.model_files.tokenization import Query

# What a part of a character is shown as.
_NO_CHARACTER = "\ufffd"
# How vocabularies write blanks and line ends.
_BLANKS = {0x2581: " ", 0x0120: " ", 0x010A: "\n"}


class Scoring(Protocol):
    """A prompt of which the last part is scored. max_tokens: those that may be written. length_class, cut:
    as of `backends.endpoints.prompt.Generation`."""

    @property
    def prompt(self) -> str | list[int]: ...

    @property
    def prompt_bytes(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    @property
    def length_class(self) -> str: ...

    @property
    def cut(self) -> int: ...

    def span(self, offsets: Sequence[int] | None) -> range:
        """The positions of the tokens that count, among those of the echoed prompt.

        offsets: where each token begins in the text. Raises NotOffered where they do not tell.
        """
        ...

    def check(self, span: range, tokens: Sequence[str] | None, count: int) -> None:
        """See whether what is echoed is what was sent. Raises NotOffered where it is not.

        tokens: the texts of all tokens, where the endpoint gives them. count: how many there are, with those
        that were written.
        """
        ...


class _Scored:
    __slots__ = ()
    max_tokens = 1
    length_class = "scored"


@dataclass(frozen=True, slots=True)
class TokenScoring(_Scored):
    """Tokens of ours: which of them count is known."""

    query: Query

    @property
    def cut(self) -> int:
        return self.query.cut

    @property
    def prompt(self) -> list[int]:
        return [*self.query.context, *self.query.continuation]

    @property
    def prompt_bytes(self) -> int:
        return 4 * (self.query.length + 1)

    def span(self, offsets: Sequence[int] | None) -> range:
        start = len(self.query.context)
        return range(start, start + len(self.query.continuation))

    def check(self, span: range, tokens: Sequence[str] | None, count: int) -> None:
        sent = len(self.prompt)
        if not sent <= count <= sent + self.max_tokens:
            raise NotOffered(
                f"the answer has {count} tokens where {sent} were sent: it echoes another prompt"
            )


@dataclass(frozen=True, slots=True)
class TextScoring(_Scored):
    """A text: the endpoint cuts it into tokens, and one of them must begin where the continuation begins."""

    context: str
    continuation: str

    @property
    def cut(self) -> int:
        return 0

    @property
    def prompt(self) -> str:
        return self.context + self.continuation

    @property
    def prompt_bytes(self) -> int:
        return len(self.prompt.encode("utf-8", "surrogatepass"))

    def span(self, offsets: Sequence[int] | None) -> range:
        if not offsets:
            raise NotOffered("the answer does not say where its tokens begin; give the option tokenizer")
        begin, end = len(self.context), len(self.prompt)
        start = next((i for i, offset in enumerate(offsets) if offset >= begin), len(offsets))
        stop = next((i for i, offset in enumerate(offsets) if offset >= end), len(offsets))
        if start == stop or offsets[start] != begin:
            raise NotOffered(
                f"no token begins where the continuation {self.continuation[:40]!r} does; "
                "give the option tokenizer, so that tokens are sent"
            )
        return range(start, stop)

    def check(self, span: range, tokens: Sequence[str] | None, count: int) -> None:
        if tokens is None:
            raise NotOffered("the answer does not say what its tokens are; give the option tokenizer")
        ways = [list(tokens), [token.translate(_BLANKS) for token in tokens]]
        if not any(self._joins(span, way) for way in ways):
            echoed = "".join(tokens[span.start : span.stop])
            raise NotOffered(
                f"the answer's tokens at the place of {self.continuation[:40]!r} are {echoed[:40]!r}; give "
                "the option tokenizer, so that tokens are sent"
            )

    def _joins(self, span: range, tokens: Sequence[str]) -> bool:
        before, own = "".join(tokens[: span.start]), "".join(tokens[span.start : span.stop])
        return own == self.continuation and _is_read_as(before, self.context)


def _is_read_as(echoed: str, text: str) -> bool:
    """Whether tokens may be those of a text: a character that several tokens make up shows in none, and
    something of the endpoint's (BOS) may come first."""
    first, *others = echoed.split(_NO_CHARACTER)
    if not others:
        return first.endswith(text)
    place = 0
    for piece in others:
        place = text.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return True
