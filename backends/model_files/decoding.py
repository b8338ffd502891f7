"""When a text that is being generated has come to its end, and what of it counts.

ModelSource of the rules: lm-evaluation-harness 0.4.13, `models.utils_hf.MultiTokenEOSCriteria`.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria

# A stop sequence may be written in other tokens than the tokenizer's own: this many more are looked at.
LOOK_BACK = 2


class Texts:
    """Tokens as text, in which the special tokens of the mark that ends thinking stay."""

    def __init__(self, tokenizer: Any, mark: str | None) -> None:
        self.tokenizer = tokenizer
        written = tokenizer.encode(mark, add_special_tokens=False) if mark else []
        special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        self.kept: dict[int, str] = {
            token: tokenizer.convert_ids_to_tokens(token) for token in written if token in special
        }

    def of(self, tokens: Sequence[int], *, with_special: bool) -> str:
        """The text; with_special: whether all special tokens are in it, not only the mark's."""
        text = ""
        start = 0
        for position in (i for i, token in enumerate(tokens) if token in self.kept):
            text += self._decoded(tokens[start:position], with_special) + self.kept[tokens[position]]
            start = position + 1
        return text + self._decoded(tokens[start:], with_special)

    def _decoded(self, tokens: Sequence[int], with_special: bool) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=not with_special))


class NotNumbers(LogitsProcessor):  # type: ignore[misc]
    """Notes where logits are NaN or infinitely likely; such a row goes on with any token.

    texts: of the batch, each of which may have several rows (beams). first: by text, the first of its written
    tokens whose logits were no numbers.
    """

    def __init__(self, texts: int, width: int) -> None:
        self.texts = texts
        self.width = width
        self.first: dict[int, int] = {}

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        broken = (scores.isnan() | scores.isposinf()).any(dim=-1)
        if not bool(broken.any()):
            return scores
        beams = len(scores) // self.texts
        for row in broken.nonzero().flatten().tolist():
            self.first.setdefault(row // beams, input_ids.shape[1] - self.width)
        return scores.masked_fill(broken[:, None], 0.0)


class Writes(LogitsProcessor):  # type: ignore[misc]
    """Has the same tokens written after each prompt of `width` tokens."""

    def __init__(self, tokens: Sequence[int], width: int) -> None:
        self.tokens = tokens
        self.width = width

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        written = torch.full_like(scores, -float("inf"))
        written[:, self.tokens[input_ids.shape[1] - self.width]] = 0.0
        return written


class _Ends(StoppingCriteria):  # type: ignore[misc]
    """Which rows have ended, and after how many tokens: what follows in a batch is padding.

    width: tokens of the prompts, which are never looked at. lengths: by row, the tokens up to its end.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.lengths: dict[int, int] = {}

    def __call__(self, input_ids: torch.Tensor, scores: object, **kwargs: object) -> torch.Tensor:
        done = self._done(input_ids)
        for row in (row for row, is_done in enumerate(done) if is_done):
            self.lengths.setdefault(row, input_ids.shape[1] - self.width)
        return torch.tensor(done, device=input_ids.device)

    @abstractmethod
    def _done(self, input_ids: torch.Tensor) -> list[bool]: ...


class EndsWithStop(_Ends):
    """Ends rows that have a stop sequence among their last tokens."""

    def __init__(self, stops: Sequence[str], tokenizer: Any, width: int) -> None:
        super().__init__(width)
        self.stops = stops
        self.tokenizer = tokenizer
        self.tail = _tokens_of_longest(stops, tokenizer) + LOOK_BACK

    def _done(self, input_ids: torch.Tensor) -> list[bool]:
        start = max(self.width, input_ids.shape[1] - self.tail)
        texts = self.tokenizer.batch_decode(input_ids[:, start:])
        return [any(stop in text for stop in self.stops) for text in texts]


class EndsAfterThinking(_Ends):
    """Ends rows that have a stop sequence in their answer: after the mark and white space that follows it.

    Each row is followed as it grows by a token a call; its last tokens are looked at, and while the answer
    begins all from the mark on.
    """

    def __init__(self, mark: str, stops: Sequence[str], tokenizer: Any, width: int) -> None:
        super().__init__(width)
        self.mark = mark
        self.stops = stops
        self.texts = Texts(tokenizer, mark)
        self.tail = _tokens_of_longest((mark, *stops), tokenizer) + LOOK_BACK
        self.marks: dict[int, int] = {}  # by row, a token at or before the last mark's first
        self.answers: dict[int, int] = {}  # by row, the token with which the answer begins

    def _done(self, input_ids: torch.Tensor) -> list[bool]:
        rows, length = input_ids.shape
        starts = [self._start(row, length) for row in range(rows)]
        first = min(starts)
        seen = input_ids[:, first:].tolist()
        return [
            self._ends(row, self.texts.of(seen[row][start - first :], with_special=True), start, length)
            for row, start in enumerate(starts)
        ]

    def _start(self, row: int, length: int) -> int:
        tail = max(self.width, length - self.tail)
        is_thinking = row not in self.marks
        is_well_into_answer = tail > self.answers.get(row, length)
        return tail if is_thinking or is_well_into_answer else self.marks[row]

    def _ends(self, row: int, text: str, start: int, length: int) -> bool:
        _, mark, answer = text.rpartition(self.mark)
        if mark:
            self.marks[row] = start
            answer = answer.lstrip()
            if answer:
                self.answers.setdefault(row, length - 1)
            else:
                self.answers.pop(row, None)
        return row in self.answers and any(stop in answer for stop in self.stops)


def _tokens_of_longest(texts: Sequence[str], tokenizer: Any) -> int:
    return max((len(tokenizer.encode(text, add_special_tokens=False)) for text in texts), default=0)
