"""What endpoints say that a call took, in the shapes that there are of OpenAI's `usage`.

Tokens of thinking stand inside the written ones (OpenAI), beside them (xAI), or only in the total (Gemini);
those that were cached inside the read ones or beside them (Anthropic). The total, where there is one, is what
is paid for.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from backends.endpoints.question import Content
from backends.money.counts import Count, Reported
from backends.money.prices import Usage

# Keys under which texts of an answer stand, whatever its dialect.
_TEXTS = ("content", "text", "reasoning_content", "reasoning", "thinking", "refusal", "generated_text")


def usage_of(content: Content) -> Reported | None:
    """What OpenAI's `usage` object says; None where there is none, or it is not made of numbers."""
    own = content.get("usage")
    if not isinstance(own, Mapping):
        return None
    tokens_in, written = _first(own, "prompt_tokens", "input_tokens"), _written(own)
    total = number(own.get("total_tokens"))
    if tokens_in is None and total is not None and written is not None:
        tokens_in = total - written
    if tokens_in is None:
        return None
    if written is None and total is None:
        return None
    cached = _cached(own)
    if cached > tokens_in:
        tokens_in += cached
    reasoning = _reasoning(own)
    tokens_out = written or 0
    if total is not None:
        tokens_out = max(tokens_out, total - tokens_in)
    elif reasoning > tokens_out:
        tokens_out += reasoning
    adds_up = total is not None and total >= tokens_in + tokens_out
    return Reported(
        Usage(tokens_in, tokens_out, cached), exceeds_limit=adds_up or reasoning > 0, reasoning=reasoning
    )


def anthropic_usage_of(content: Content) -> Reported | None:
    """What Anthropic's says: tokens that were read from the cache or put into it are counted apart."""
    own = content.get("usage")
    if not isinstance(own, Mapping):
        return None
    fresh, written = number(own.get("input_tokens")), number(own.get("output_tokens"))
    if fresh is None or written is None:
        return None
    cached, created = _cached(own), number(own.get("cache_creation_input_tokens")) or 0
    return Reported(Usage(fresh + created + cached, written, cached))


def taken(
    prompt_bytes: int, max_tokens: int, usage: Callable[[Content], Reported | None], content: Content
) -> Count:
    """What an answer took of which nothing but this much could be read."""
    count = Count.of(usage(content), prompt_bytes, texts_in(content), max_tokens)
    if count.is_reported:
        return count
    tokens_out = min(count.usage.tokens_out, max_tokens)
    return Count(replace(count.usage, tokens_out=tokens_out), is_reported=False)


def texts_in(value: object, key: str = "") -> str:
    """All that was written anywhere in an answer."""
    if isinstance(value, str):
        return value if key in _TEXTS else ""
    if isinstance(value, Mapping):
        return "".join(texts_in(own, name) for name, own in value.items())
    if isinstance(value, list):
        return "".join(texts_in(own, key) for own in value)
    return ""


def number(value: object) -> int | None:
    """A count as JSON may have it, as text or with a decimal point too; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        if isinstance(value, int):
            return value
        return int(float(value)) if float(value).is_integer() else None
    except ValueError:
        return None


def _first(own: Mapping[str, Any], *names: str) -> int | None:
    """The first of these counts that is one."""
    return next((count for name in names if (count := number(own.get(name))) is not None), None)


def _written(own: Mapping[str, Any]) -> int | None:
    """The tokens written; none where nothing is said of them."""
    names = ("completion_tokens", "output_tokens")
    return _first(own, *names) if any(name in own for name in names) else 0


def _cached(own: Mapping[str, Any]) -> int:
    """The read tokens that were in a cache, as OpenAI, DeepSeek and Anthropic have them."""
    details = own.get("prompt_tokens_details") or own.get("input_tokens_details")
    inner = _first(details, "cached_tokens") if isinstance(details, Mapping) else None
    names = ("prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens")
    return (inner or 0) or _first(own, *names) or 0


def _reasoning(own: Mapping[str, Any]) -> int:
    details = own.get("completion_tokens_details") or own.get("output_tokens_details")
    inner = _first(details, "reasoning_tokens") if isinstance(details, Mapping) else None
    return (inner or 0) or _first(own, "reasoning_tokens") or 0
