"""From texts to tokens by lm-eval's rules: where context ends, what BOS does, what is cut off.

ModelSource of the rules: lm-evaluation-harness 0.4.13, `TemplateLM._encode_pair` and `loglikelihood`,
`HFLM.tok_encode`, `utils.get_rolling_token_windows` and `make_disjoint_window`.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backends.errors import BackendError
from backends.requests import Request

log = logging.getLogger("assay")

Tokens = tuple[int, ...]

# Any text will do to see what a tokenizer puts around it.
_SOME_TEXT = "a"
# What transformers writes as `model_max_length` when a tokenizer has no limit.
UNLIMITED = int(1e30)
DEFAULT_MAX_LENGTH = 2048


@dataclass(frozen=True, slots=True)
class Query:
    """Tokens whose log-probability is asked: those of `continuation` after `context`; neither is empty.

    cut: how many more the context had at its beginning.
    """

    context: Tokens
    continuation: Tokens
    cut: int = 0

    @property
    def length(self) -> int:
        """How many tokens the model reads for it: the last one is only predicted."""
        return len(self.context) + len(self.continuation) - 1


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """Why a request cannot be asked of this model."""

    reason: str


@dataclass(frozen=True, slots=True)
class CutText:
    """The last tokens of a text, and how many more it had at its beginning."""

    tokens: Tokens
    cut: int

    @classmethod
    def of(cls, tokens: Tokens, room: int) -> "CutText":
        return cls(tokens[-room:], max(0, len(tokens) - room))


def too_long(cut: int) -> Unanswerable:
    """Why a prompt is not asked of which so many tokens would be cut off."""
    return Unanswerable(
        f"the prompt has {cut} tokens more than the model reads; --truncate cut asks with its end alone"
    )


def answerable(asked: "Sequence[Query | Unanswerable]", refuses_cut: bool) -> "list[Query | Unanswerable]":
    """What is asked; what was cut is not, if that is refused."""
    return [too_long(one.cut) if refuses_cut and isinstance(one, Query) and one.cut else one for one in asked]


class Tokenization:
    """A tokenizer as log-likelihoods use it.

    max_length: tokens the model can read at once.
    add_bos_token: whether special tokens are added to a text; None leaves it to the tokenizer.
    embeddings: how many tokens the model knows; None where that is not known here.
    """

    def __init__(
        self,
        tokenizer: Any,
        max_length: int,
        add_bos_token: bool | None = None,
        *,
        embeddings: int | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.embeddings = embeddings
        self.add_special = True if add_bos_token is None else add_bos_token
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self._prefix: int | None = eos if bos is None else bos
        # A text that begins like this has its special tokens written out.
        self._opening: str | None = None if self._prefix is None else tokenizer.decode([self._prefix])
        self._has_said = False

    @property
    def prefix(self) -> int:
        """What the first token of a text is conditioned on: BOS, else EOS; BackendError without either."""
        if self._prefix is None:
            raise BackendError(
                f"{self.tokenizer.name_or_path}: the tokenizer has neither a BOS nor an EOS token to start a "
                "text with; name one in its tokenizer_config.json"
            )
        self._check_known((self._prefix,))
        return self._prefix

    @property
    def prefix_token(self) -> int | None:
        """The same, or None without either."""
        return self._prefix

    def encode(self, texts: Iterable[str], *, ended: bool = False) -> dict[str, Tokens]:
        """The tokens of each text, with special tokens where the text does not already begin with them.

        ended: whether the tokens stay that the tokenizer ends each text with (EOS), after which nothing of
        the text can go on.
        """
        unique = dict.fromkeys(texts)
        opened = [text for text in unique if self._opening is not None and text.startswith(self._opening)]
        usual = unique.keys() - opened if opened else unique.keys()
        closed = self._encode(list(usual), special=self.add_special)
        if self._ending and not ended:
            closed = {text: self._without_ending(tokens) for text, tokens in closed.items()}
        return self._encode(opened, special=False) | closed

    @cached_property
    def _ending(self) -> Tokens:
        """What the tokenizer ends each text with; most add nothing there."""
        if not self.add_special:
            return ()
        (bare,) = self._encode([_SOME_TEXT], special=False).values()
        (whole,) = self._encode([_SOME_TEXT], special=True).values()
        ends = len(whole)
        while ends > 0 and whole[ends - len(bare) : ends] != bare:
            ends -= 1
        return whole[ends:] if ends else ()

    def _without_ending(self, tokens: Tokens) -> Tokens:
        if tokens[-len(self._ending) :] != self._ending:
            return tokens
        self._say_ending()
        return tokens[: -len(self._ending)]

    def _say_ending(self) -> None:
        """Once, where it is left out."""
        if self._has_said:
            return
        self._has_said = True
        log.warning(
            "%s: the tokenizer ends each text with %s; it is left out of contexts, continuations and prompts",
            self.tokenizer.name_or_path,
            self.tokenizer.decode(list(self._ending)),
        )

    def queries(self, requests: Sequence[Request]) -> list[Query | Unanswerable]:
        """What is asked for each log-likelihood request.

        Whitespace at the end of a context belongs to its continuation. A continuation's tokens are those that
        the whole text has beyond the tokens of the context.
        """
        asked = [(request.prompt_text, request.continuation) for request in requests]
        started = [(prompt, continuation) for prompt, continuation in asked if prompt]
        contexts = {prompt: prompt.rstrip() for prompt, _ in started}
        whole = self.encode(
            [*contexts.values(), *(prompt + continuation for prompt, continuation in started)]
        )
        alone = self._encode([continuation for prompt, continuation in asked if not prompt], special=False)
        return [
            self._after_context(whole[contexts[prompt]], whole[prompt + continuation])
            if prompt
            else self._after_prefix(alone[continuation])
            for prompt, continuation in asked
        ]

    def windows(self, text: str) -> list[Query]:
        """The queries whose log-probabilities add up to that of the text; none for an empty text.

        The text's tokens (a BOS or EOS that the tokenizer adds among them) are cut into pieces of
        `max_length`. The first follows the prefix token, each other one as much of the text before it as
        fits, one token at least.
        """
        tokens = self.encode([text], ended=True)[text]
        width = self.max_length
        first = [Query((self.prefix,), tokens[:width])] if tokens else []
        return first + [
            Query(tokens[end - width - 1 : start], tokens[start:end])
            for start in range(width, len(tokens), width)
            for end in (min(start + width, len(tokens)),)
        ]

    def _after_prefix(self, continuation: Tokens) -> Query | Unanswerable:
        if continuation[:1] == (self.prefix,):
            return self._query(continuation[:1], continuation[1:])
        return self._query((self.prefix,), continuation)

    def _after_context(self, context: Tokens, whole: Tokens) -> Query | Unanswerable:
        return self._query(context or (self.prefix,), whole[len(context) :])

    def _query(self, context: Tokens, continuation: Tokens) -> Query | Unanswerable:
        """The query, its context cut from the left to what the model can read."""
        if not continuation:
            return Unanswerable("the continuation adds no token to the context; give it some text")
        room = self.max_length + 1 - len(continuation)
        if room < 1:
            return Unanswerable(
                f"the continuation has {len(continuation)} tokens, more than the model's max_length of "
                f"{self.max_length}"
            )
        return Query(context[-room:], continuation, max(0, len(context) - room))

    def _encode(self, texts: Sequence[str], *, special: bool) -> dict[str, Tokens]:
        if not texts:
            return {}
        encoded = self.tokenizer(
            texts, add_special_tokens=special, return_attention_mask=False, verbose=False
        )
        for tokens in encoded["input_ids"]:
            self._check_known(tokens)
        return {text: tuple(tokens) for text, tokens in zip(texts, encoded["input_ids"], strict=True)}

    def _check_known(self, tokens: Sequence[int]) -> None:
        """Raise BackendError for a token that the model has no embedding of."""
        most = max(tokens, default=0)
        if self.embeddings is None or most < self.embeddings:
            return
        raise BackendError(
            f"{self.tokenizer.name_or_path}: the tokenizer has {len(self.tokenizer)} tokens, the model "
            f"{self.embeddings} embeddings, and {self.tokenizer.convert_ids_to_tokens(most)!r} ({most}) is "
            "asked; resize the model (model.resize_token_embeddings), or give it with its own tokenizer"
        )


def resolve_max_length(config: Any, tokenizer: Any) -> int:
    """Tokens the model can read at once: what its configuration says, else its tokenizer, else 2048.

    ModelSource: lm-evaluation-harness 0.4.13, `models.utils.resolve_max_length`.
    """
    text_config = getattr(config, "text_config", None) or config
    declared: Iterator[Any] = (
        getattr(text_config, name, None) for name in ("n_positions", "max_position_embeddings", "n_ctx")
    )
    limit = next((value for value in declared if value is not None), tokenizer.model_max_length)
    return DEFAULT_MAX_LENGTH if limit is None or limit == UNLIMITED else int(limit)
