"""What calls are likely to take, and keeping them within a budget; on the engine's loop only."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from backends.money.budget import Reservation, Spent, Wait
from backends.money.estimates import Experience
from backends.money.prices import Usage
from backends.money.purse import Purse, took_tokens, usage_of
from backends.requests import Response


@dataclass(frozen=True, slots=True)
class Size:
    """How large a call may get. asked: the model, as `backend:name`. kind: calls of one kind take alike."""

    asked: str
    kind: str
    prompt_bytes: int
    max_tokens: int


class Spending:
    """What the calls of one engine took so far, which says what the next will take."""

    def __init__(self) -> None:
        self._experience: defaultdict[str, Experience] = defaultdict(Experience)
        self._waiting: list[asyncio.Future[None]] = []

    def tokens(self, size: Size) -> int:
        """The tokens that a call is likely to take, in and out."""
        usage = self._experience[size.asked].expected(size.prompt_bytes, size.max_tokens, size.kind)
        return usage.tokens_in + usage.tokens_out

    async def reserve(self, purse: Purse, position: int, sizes: Sequence[Size]) -> Reservation | Spent:
        """Keep enough for a call, whichever of the models answers it; one that does not fit yet waits for
        those that are out."""
        while True:
            answer = purse.reserve(position, [(size.asked, self._most(size)) for size in sizes])
            if not isinstance(answer, Wait):
                return answer
            settled = asyncio.get_running_loop().create_future()
            self._waiting.append(settled)
            await settled

    def _most(self, size: Size) -> Usage:
        return self._experience[size.asked].reserved(size.prompt_bytes, size.max_tokens, size.kind)

    def learn(self, size: Size, response: Response) -> None:
        """Learn from an answer whose tokens the endpoint counted."""
        if response.is_scorable and response.call is not None and response.call.counted:
            before = self._experience[size.asked]
            self._experience[size.asked] = before.after(size.prompt_bytes, size.kind, usage_of(response))

    def settle(self, purse: Purse, reservation: Reservation, response: Response | None) -> None:
        """Give back what was kept for a call, for what it took; nothing where nothing came."""
        if response is None or not took_tokens(response):
            purse.budget.release(reservation)
        else:
            purse.settle(reservation, response)
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)
