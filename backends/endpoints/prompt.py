"""What of a request is put to an endpoint. The question that has it in its body is built when its call goes
out; this much is known before."""

from collections.abc import Sequence
from dataclasses import dataclass

from backends.endpoints.scored_prompt import Scoring
from backends.text.generation_settings import Settings


@dataclass(frozen=True, slots=True)
class Generation:
    """What a text is to go on from.

    prompt: the request's text, or its tokens where the tokenizer is known; empty for a chat, which is sent as
        the request has it.
    seed: of this very request, where texts are drawn. cut: tokens of its beginning that are left out.
    """

    prompt: str | Sequence[int]
    prompt_bytes: int
    settings: Settings
    seed: int
    cut: int = 0

    @property
    def max_tokens(self) -> int:
        return self.settings.max_tokens

    @property
    def length_class(self) -> str:
        """What texts of about one length have in common: their limit and what ends them."""
        return f"{self.settings.max_tokens} {'|'.join(self.settings.stops)}"


Prompt = Generation | Scoring


def size_of(text: str) -> int:
    """A text's bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
