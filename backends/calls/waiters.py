"""Those who wait for something to change, in their order; on one event loop."""

import asyncio
import heapq
import itertools


class Turns:
    """Whoever gets a turn looks whether it may go, and passes the turn on, whatever it found."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    async def wait(self, order: int) -> None:
        """Wait for a turn; the smallest order has the first."""
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (order, next(self._count), turn))
        await turn

    def next(self) -> None:
        """The first one's turn."""
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return

    def all(self) -> None:
        """A turn for everybody."""
        waiting, self._waiting = self._waiting, []
        for _, _, turn in waiting:
            if not turn.done():
                turn.set_result(None)
