"""What tokens cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.errors import BackendError
from backends.keys import shown
from metrics.errors import nearest_or_all

GIVEN = "given"
_MILLION = 1_000_000
_KEYS = ("in", "out", "cached", "hour")


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that is paid for by the token.

    asked: as in `Call.asked`. model, address: its name and where it is, by which price lists know it. share:
    of the listed price that is paid (a batch costs half).
    """

    asked: str
    model: str
    address: str
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call took, or may take.

    tokens_in: tokens read; tokens_cached: those of them that were not read again; tokens_out: tokens written.
    seconds: how long the model worked.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """What a model's calls cost, in USD.

    input, output, cached: a million tokens read, written, and read from the endpoint's cache (None: as
        input).
    hour: an hour of the model's time. request: each call, whatever its length.
    longer: prices of long calls, as pairs in rising order: a call that reads more tokens than the number
        costs all of it at the price beside it.
    source: where the price comes from.
    """

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None
    hour: float = 0.0
    request: float = 0.0
    longer: tuple[tuple[int, "Price"], ...] = ()
    source: str = GIVEN

    def at_share(self, share: float) -> "Price":
        """The price of which only a share is paid."""
        return Price(
            self.input * share,
            self.output * share,
            None if self.cached is None else self.cached * share,
            self.hour * share,
            self.request * share,
            tuple((above, price.at_share(share)) for above, price in self.longer),
            f"{self.source}, {share:.0%} of it",
        )


def cost(price: Price | None, usage: Usage) -> float | None:
    """What one call costs, in USD; None where the price is not known.

    Costs of calls add up; the cost of added usages is the same only where the price has no `longer` and no
    `request`.
    """
    if price is None:
        return None
    price = next((longer for above, longer in reversed(price.longer) if usage.tokens_in > above), price)
    cached = price.input if price.cached is None else price.cached
    fresh = usage.tokens_in - usage.tokens_cached
    tokens = fresh * price.input + usage.tokens_cached * cached + usage.tokens_out * price.output
    return tokens / _MILLION + usage.seconds / 3600 * price.hour + price.request


def parse_price(fields: Mapping[str, Any]) -> Price:
    """The price that a user writes: `in`, `out` and `cached` per million tokens, `hour`; all in USD.

    Raises BackendError for an unknown key, naming the nearest, for what is no number of 0 or more, and for a
    price of tokens of which only a part is there.
    """
    for key, value in fields.items():
        if key not in _KEYS:
            raise BackendError(f"the price has no key {shown(key)}; {nearest_or_all(str(key), _KEYS)}")
        if not _is_amount(value):
            raise BackendError(f"the price's {key!r} is USD, a number of 0 or more, not {value!r}")
    if not fields:
        raise BackendError("the price is empty; for instance in=0.15,out=0.6 (USD per million tokens)")
    if ("in" in fields) != ("out" in fields) or ("cached" in fields and "in" not in fields):
        raise BackendError("the price of tokens needs both 'in' and 'out' (0 where they are free)")
    return Price(
        input=float(fields.get("in", 0)),
        output=float(fields.get("out", 0)),
        cached=float(fields["cached"]) if "cached" in fields else None,
        hour=float(fields.get("hour", 0)),
    )


def _is_amount(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0
