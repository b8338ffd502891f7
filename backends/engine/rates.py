"""Requests and tokens per minute that an account may use."""

from aiolimiter import AsyncLimiter

# Kept by the second, so that a minute's worth does not go out at its beginning.
_SECONDS = 1.0


class Rates:
    """Waits until a call keeps within the rates; each is per minute, None for no limit."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = _limiter(requests_per_minute)
        self._tokens = _limiter(tokens_per_minute)

    async def wait(self, tokens: int) -> None:
        """Wait until a call of so many tokens may be sent."""
        if self._requests is not None:
            await self._requests.acquire()
        if self._tokens is not None:
            rest = float(tokens)
            while rest > 0:  # a call of more than a second's worth waits for several
                await self._tokens.acquire(min(rest, self._tokens.max_rate))
                rest -= self._tokens.max_rate


def _limiter(per_minute: float | None) -> AsyncLimiter | None:
    if per_minute is None:
        return None
    per_second = per_minute / 60
    # A bucket must hold one request at least: where that is more than a second's worth, it fills longer.
    size = max(per_second * _SECONDS, 1.0)
    return AsyncLimiter(size, size / per_second)
