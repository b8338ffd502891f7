"""What whoever asks may spend on each request: a run's budget, the prices, and which task pays."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from backends.money.budget import Budget, Reservation, Spend, Spent, Wait
from backends.money.prices import Price, Usage, cost
from backends.requests import Response

log = logging.getLogger("assay")


@dataclass(frozen=True, slots=True)
class Purse:
    """budget: of the run. prices: by model (`Call.asked`), None where unknown; `""` is a local model.
    payers: the task that pays, by position of the request."""

    budget: Budget
    prices: Mapping[str, Price | None]
    payers: Sequence[str]

    def at(self, positions: Sequence[int]) -> "Purse":
        """The purse for some of the requests, in another order."""
        return replace(self, payers=[self.payers[position] for position in positions])

    def reserve(self, position: int, usages: Sequence[tuple[str, Usage]]) -> Reservation | Wait | Spent:
        """Ask for a call that may take so much. usages: by model, of each that may answer."""
        spends = [self._spend(asked, usage) for asked, usage in usages]
        most = Spend(max(spend.usd for spend in spends), max(spend.tokens for spend in spends))
        return self.budget.reserve(self.payers[position], most, time.monotonic())

    def settle(self, reservation: Reservation, response: Response) -> None:
        """Count what a call took; warns where much of a limit is spent."""
        spend = self._spend(response.call.asked if response.call else "", usage_of(response))
        for line in self.budget.settle(reservation, spend, time.monotonic()):
            log.warning(line)

    def note(self, position: int, response: Response) -> None:
        """Count an answer that nothing was reserved for: of a local model, or of an earlier start."""
        spend = self._spend(response.call.asked if response.call else "", usage_of(response))
        for line in self.budget.note(self.payers[position], spend):
            log.warning(line)

    def spent(self, positions: Iterable[int]) -> str:
        """Why none of the requests at these positions may be asked any more; empty as long as one may."""
        why = ""
        for payer in {self.payers[position] for position in positions}:
            held = self.budget.reserve(payer, Spend(), time.monotonic())
            if not isinstance(held, Spent):
                if isinstance(held, Reservation):
                    self.budget.release(held)
                return ""
            why = held.why
        return why

    def _spend(self, asked: str, usage: Usage) -> Spend:
        return Spend(cost(self.prices.get(asked), usage) or 0.0, usage.tokens_in + usage.tokens_out)


def usage_of(response: Response) -> Usage:
    """What a response took."""
    cached = response.call.tokens_cached if response.call else 0
    return Usage(response.tokens_in, response.tokens_out, cached, response.seconds)


def took_tokens(response: Response) -> bool:
    """Whether there is something to pay for: an answer, or one that came and could not be used."""
    return response.is_scorable or response.tokens_in + response.tokens_out > 0


def also_taken(response: Response, usage: Usage, *, counted: bool = True) -> Response:
    """A response for which so much was paid besides: for answers to its request that could not be used.

    counted: whether the endpoint counted it.
    """
    call = response.call
    if call is not None:
        cached = call.tokens_cached + usage.tokens_cached
        call = replace(call, tokens_cached=cached, counted=call.counted and counted)
    return replace(
        response,
        tokens_in=response.tokens_in + usage.tokens_in,
        tokens_out=response.tokens_out + usage.tokens_out,
        call=call,
    )
