"""The tokens of one call: as the endpoint counts them where that can be right, else an estimate."""

from dataclasses import dataclass

from backends.money.estimates import estimated, plausible
from backends.money.prices import Usage


@dataclass(frozen=True, slots=True)
class Reported:
    """What an endpoint says that a call took.

    exceeds_limit: whether more may have been written than an answer was allowed, as where thinking comes on
    top of it. reasoning: the written tokens that are said to be of thinking.
    """

    usage: Usage
    exceeds_limit: bool = False
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """The tokens of a call. is_reported: whether the endpoint counted them, or they are estimated."""

    usage: Usage
    is_reported: bool = True

    @classmethod
    def of(cls, reported: Reported | None, prompt_bytes: int, text: str, max_tokens: int) -> "Count":
        """What the endpoint reports where that can be right, else an estimate by the texts' lengths."""
        if reported is not None and plausible(
            reported.usage, prompt_bytes, max_tokens, reasoning=reported.exceeds_limit
        ):
            return cls(reported.usage)
        tokens_in, tokens_out = estimated(prompt_bytes, text)
        return cls(Usage(tokens_in, tokens_out), is_reported=False)
