"""What calls cost, as `results.json` has it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens and money of calls; the money is None where the price of any of them is not known."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    usd: float | None = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        known = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.tokens_cached + other.tokens_cached,
            known,
        )


@dataclass(frozen=True, slots=True)
class RunCost:
    """The cost of a run's answers, of each task's and of each model's that was asked by name. What several
    tasks ask is paid once: it is in the cost of each of them, and once in those of run and models.

    prices: where the price of each model is from; None where there is none. machine_usd: what the time cost
    in which a model of this machine was asked; None without a price.
    """

    run: Cost
    tasks: Mapping[str, Cost]
    models: Mapping[str, Cost]
    prices: Mapping[str, str | None]
    machine_usd: float | None
