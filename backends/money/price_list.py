"""The public list of prices in the package `genai-prices`, read as `Price`s.

The list has prices by units of many kinds, some in tiers by the length of a call, some by the date and the
time of day. Those of text tokens and of calls are read; units that only some calls have (searches, sound,
what is written to a cache on demand) are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import genai_prices
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices

from backends.money.prices import Price

# The list's times of day are whole and half hours.
_REGION = re.compile(r"^(https?://)[a-z]{2}\.(?=api\.openai\.com\b)")
_STEP, _STEPS_A_DAY = timedelta(minutes=30), 48


def listed_price(model: str, provider: str | None, at: datetime | None = None) -> Price | None:
    """A model's price; None where the list does not have it, or only what is read or only what is written.

    model: its name as the provider calls it. provider: an id of genai-prices' (`openai`, `openrouter`, ...);
    None for the one that the name alone points to. at: when the calls are made; now, if it is not said. Where
    a price depends on the time of day, the dearest of the following day counts, so that a budget holds.
    """
    at = at or datetime.now(UTC)
    try:
        found = genai_prices.calc_price(genai_prices.Usage(), model, provider_id=provider)
    except LookupError:
        return None
    source = f"genai-prices {genai_prices.__version__}, {found.provider.id} {found.model.id}"
    day = [_price(found.model.get_prices(at + step * _STEP), source) for step in range(_STEPS_A_DAY)]
    known = [price for price in day if price is not None]
    dearest = max(known, key=lambda price: (price.input + price.output, price.request), default=None)
    changes = len(set(known)) > 1
    return replace(dearest, source=f"{source}, the dearest of the day") if dearest and changes else dearest


def provider_at(address: str) -> str | None:
    """Who offers models at an address, as the list names them; None for a server of one's own. OpenAI's hosts
    of regions, which the list does not have, offer what its own does."""
    try:
        return str(get_snapshot().find_provider(None, None, _REGION.sub(r"\1", address)).id)
    except LookupError:
        return None


def _price(listed: ModelPrice, source: str) -> Price | None:
    if listed.input_mtok is None or listed.output_mtok is None:
        return None
    kinds = (listed.input_mtok, listed.output_mtok, listed.cache_read_mtok)
    starts = sorted({start for kind in kinds for start in _starts(kind)})
    longer = tuple((start, _price_of_call(listed, start + 1, source)) for start in starts)
    return replace(_price_of_call(listed, 0, source), longer=longer)


def _price_of_call(listed: ModelPrice, tokens_in: int, source: str) -> Price:
    """What a call costs that reads so many tokens. A tier's rate is that of the whole call."""
    cached = listed.cache_read_mtok
    return Price(
        input=_rate(listed.input_mtok, tokens_in),
        output=_rate(listed.output_mtok, tokens_in),
        cached=None if cached is None else _rate(cached, tokens_in),
        request=_rate(listed.requests_kcount, tokens_in) / 1000,
        source=source,
    )


def _starts(listed: Decimal | TieredPrices | None) -> Iterator[int]:
    if isinstance(listed, TieredPrices):
        yield from (tier.start for tier in listed.tiers)


def _rate(listed: Decimal | TieredPrices | None, tokens_in: int) -> float:
    if isinstance(listed, TieredPrices):
        reached = [tier.price for tier in listed.tiers if tokens_in > tier.start]
        return float(reached[-1] if reached else listed.base)
    return float(listed or 0)
