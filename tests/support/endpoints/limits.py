"""Rates that an endpoint enforces: so much a minute, counted in one of the ways that providers count."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, Protocol

MINUTE = 60.0
Counting = Literal["bucket", "small bucket", "sliding", "fixed"]


class Limit(Protocol):
    """So much a minute; times are seconds by one clock that never goes back."""

    def wait(self, now: float, amount: float) -> float:
        """Seconds until so much may be used; 0.0: now."""
        ...

    def use(self, now: float, amount: float) -> None:
        """Use so much, where `wait` allows it."""
        ...


@dataclass(slots=True)
class Bucket:
    """Filled evenly, and full at first (OpenAI, Anthropic). holds: how much it can."""

    per_minute: float
    holds: float
    level: float = math.inf
    at: float = 0.0

    def wait(self, now: float, amount: float) -> float:
        lacking = min(amount, self.holds) - self._filled(now)
        return max(0.0, lacking * MINUTE / self.per_minute)

    def use(self, now: float, amount: float) -> None:
        self.level, self.at = self._filled(now) - amount, now

    def _filled(self, now: float) -> float:
        return min(self.holds, self.level + (now - self.at) * self.per_minute / MINUTE)


@dataclass(slots=True)
class Sliding:
    """Never more in any minute."""

    per_minute: float
    used: float = 0.0
    uses: deque[tuple[float, float]] = field(default_factory=deque)

    def wait(self, now: float, amount: float) -> float:
        while self.uses and self.uses[0][0] <= now - MINUTE:
            self.used -= self.uses.popleft()[1]
        left, at = self.used + min(amount, self.per_minute), -math.inf
        for used_at, used in self.uses:
            if left <= self.per_minute:
                break
            left, at = left - used, used_at
        return max(0.0, at + MINUTE - now)

    def use(self, now: float, amount: float) -> None:
        self.used += amount
        self.uses.append((now, amount))


@dataclass(slots=True)
class Fixed:
    """So much in each minute from `began` on."""

    per_minute: float
    began: float = 0.0
    window: float = -1.0
    used: float = 0.0

    def wait(self, now: float, amount: float) -> float:
        if self.used + min(amount, self.per_minute) <= self.per_minute or self._window(now) != self.window:
            return 0.0
        return self.began + (self.window + 1.0) * MINUTE - now

    def use(self, now: float, amount: float) -> None:
        if self._window(now) != self.window:
            self.window, self.used = self._window(now), 0.0
        self.used += amount

    def _window(self, now: float) -> float:
        return math.floor((now - self.began) / MINUTE)


def limit(counting: Counting, per_minute: float) -> Limit:
    """So much a minute, counted in a way; a small bucket holds what there is for a second."""
    match counting:
        case "bucket":
            return Bucket(per_minute, per_minute)
        case "small bucket":
            return Bucket(per_minute, max(1.0, per_minute / MINUTE))
        case "sliding":
            return Sliding(per_minute)
        case "fixed":
            return Fixed(per_minute)
