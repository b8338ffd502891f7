"""How many requests may be under way at once, from their first try until their answers are stored."""

import asyncio
import heapq
import itertools


class Window:
    """Places for requests, given to the smallest order that waits. To be used on one event loop.

    Without it answers could come in faster than they are stored, and a kill would lose them all.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()

    async def enter(self, order: int) -> None:
        """Wait for a place."""
        if self._free and not self._waiting:
            self._free -= 1
            return
        place = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (order, next(self._arrivals), place))
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave(1)
            raise

    def leave(self, places: int) -> None:
        """Give places back."""
        self._free += places
        while self._free and self._waiting:
            place = heapq.heappop(self._waiting)[2]
            if not place.done():
                place.set_result(None)
                self._free -= 1
