"""How many requests may be under way at once, from their first try until their answers are stored."""

from backends.calls.waiters import Turns


class Window:
    """Places for requests, given to the smallest order that waits. To be used on one event loop.

    Without it answers could come in faster than they are stored, and a kill would lose them all.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._turns = Turns()

    async def enter(self, order: int) -> None:
        """Wait for a place. Whoever gets one may take others that are free before it is another's turn."""
        try:
            while not self._free:
                await self._turns.wait(order)
            self._free -= 1
        finally:
            self.leave(0)

    def leave(self, places: int) -> None:
        """Give places back."""
        self._free += places
        if self._free:
            self._turns.next()
