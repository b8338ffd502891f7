"""Requests and tokens per minute that an account may use: pure state machines, in seconds by one clock."""

from dataclasses import dataclass
from math import inf

# A loop that is late by so much catches up; not longer, so that a minute's worth does not go out at once.
_LATE = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Rate:
    """So much a minute, evenly: each use has to be paid for in time before the next (the leaky bucket as
    ITU-T I.371 has it, GCRA).

    paid: when all that was used is paid for.
    """

    per_minute: float
    paid: float = -inf

    def wait(self, now: float) -> float:
        """Seconds until more may be used; 0.0: now."""
        return max(0.0, self.paid - now)

    def used(self, now: float, amount: float) -> "Rate":
        """After a use, of any size: the next one waits for it."""
        return Rate(self.per_minute, max(self.paid, now - _LATE) + 60.0 * amount / self.per_minute)


@dataclass(frozen=True, slots=True)
class Rates:
    """Both rates of an account; None for no limit."""

    requests: Rate | None
    tokens: Rate | None

    @classmethod
    def of(cls, requests_per_minute: float | None, tokens_per_minute: float | None) -> "Rates":
        return cls(
            None if requests_per_minute is None else Rate(requests_per_minute),
            None if tokens_per_minute is None else Rate(tokens_per_minute),
        )

    def wait(self, now: float) -> float:
        """Seconds until a call may be sent; 0.0: now."""
        return max((rate.wait(now) for rate in (self.requests, self.tokens) if rate), default=0.0)

    def sent(self, now: float, tokens: int) -> "Rates":
        """After a call that is likely to take so many tokens."""
        return Rates(
            self.requests and self.requests.used(now, 1),
            self.tokens and self.tokens.used(now, tokens),
        )
