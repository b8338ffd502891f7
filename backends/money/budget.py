"""The budget of a run: what every call asks before it is sent, and tells when it is answered.

    match budget.reserve("gsm8k", Spend(usd=0.01, tokens=900), now):
        case Reservation() as reservation: ...    # send it; then settle it, or release it
        case Wait(): ...                          # ask again after the next settle or release
        case Spent(why): ...                      # never again in this run or account

A call is let through only if it fits beside all that is spent and reserved. So where no call takes more than
it reserved the limits hold, and else are passed by no more than what the calls that were out took above it.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# In per cent of a limit: half of it, some time before it ends, and just before it.
MARKS = (50, 80, 95)
# Money is counted in whole trillionths of a dollar: exact in any order, and fine enough for tokens of which a
# million costs a thousandth of a dollar.
_TRILLION = 10**12

_Amounts = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent, each None for no limit.

    usd: money. tokens: read and written together. seconds: of wall time since the first call.
    """

    usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Spend:
    """What a call took, or may take. usd: 0 where there is no price; no limit in USD can hold then."""

    usd: float = 0.0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is kept for one call until it is settled or released."""

    number: int
    account: str
    spend: Spend


@dataclass(frozen=True, slots=True)
class Wait:
    """It does not fit beside the calls that are out, which may settle for less."""


@dataclass(frozen=True, slots=True)
class Spent:
    """There is no more; from now on this is the answer to every call of the account, or of the run.

    why: for people, with the flag that set the limit.
    """

    why: str


class Budget:
    """The limits of a run and of each of its accounts (the evaluation tasks), and what is spent of them.

    Safe for several threads; nothing here blocks but for the arithmetic of another. It has no clock: `now` is
    any clock in seconds that never goes back, the same one for every call. A run's time begins with its first
    call, an account's with the account's, in each start anew.
    """

    def __init__(self, run: Limits, account: Limits = NO_LIMITS) -> None:
        """run: the limits of all calls together; account: those of each account."""
        self._lock = threading.Lock()
        self._run = _Scope(run, "", "--budget")
        self._account_limits = account
        self._accounts: dict[str, _Scope] = {}
        self._out: set[int] = set()
        self._number = 0

    def reserve(self, account: str, spend: Spend, now: float) -> Reservation | Wait | Spent:
        """Ask for a call that may take so much.

        The budget is spent, for good, when its time is over, or when a call does not fit and no other is out.
        While others are out it waits, even if what they free could not be enough: the next estimate may be
        lower for what they teach. A model without estimates reserves `Spend()` and settles what it took.
        """
        amounts = _amounts(spend)
        with self._lock:
            scopes = self._scopes(account)
            for scope in scopes:
                if why := scope.end(amounts, now):
                    return Spent(why)
            if not all(scope.fits(amounts) for scope in scopes):
                return Wait()
            for scope in scopes:
                scope.hold(amounts, now)
            self._number += 1
            self._out.add(self._number)
            return Reservation(self._number, account, spend)

    def settle(self, reservation: Reservation, actual: Spend, now: float) -> list[str]:
        """Give a reservation back for what its call took, answered or not.

        Returns a line for each mark (50, 80 and 95 % of a limit) that was reached, each once. Raises
        ValueError for a reservation that is not out.
        """
        with self._lock:
            lines: list[str] = []
            for scope in self._taken_back(reservation):
                scope.add(_amounts(actual))
                lines += scope.marks(now)
        return lines

    def release(self, reservation: Reservation) -> None:
        """Give a reservation back whose call was not sent, or took nothing. Raises ValueError as `settle`."""
        with self._lock:
            self._taken_back(reservation)

    def note(self, account: str, spend: Spend) -> list[str]:
        """Count what was spent without a reservation: in an earlier start of the run, or by a local model.

        Returns lines as `settle`.
        """
        with self._lock:
            lines: list[str] = []
            for scope in self._scopes(account):
                scope.add(_amounts(spend))
                lines += scope.marks()
            return lines

    def spent(self, account: str | None = None) -> Spend:
        """What was settled and noted so far, of an account or of the whole run."""
        with self._lock:
            return (self._run if account is None else self._scopes(account)[0]).spent()

    def _scopes(self, account: str) -> tuple["_Scope", "_Scope"]:
        """The account's first: a call that is too large for both ends the account, and not the run."""
        if account not in self._accounts:
            self._accounts[account] = _Scope(self._account_limits, f" for {account}", "--task-budget")
        return self._accounts[account], self._run

    def _taken_back(self, reservation: Reservation) -> tuple["_Scope", "_Scope"]:
        if reservation.number not in self._out:
            raise ValueError(f"{reservation} is not out: it was settled or released before")
        self._out.remove(reservation.number)
        scopes = self._scopes(reservation.account)
        for scope in scopes:
            scope.free(_amounts(reservation.spend))
        return scopes


class _Scope:
    """What one set of limits bounds: the run, or an account. Without lock or clock."""

    def __init__(self, limits: Limits, whose: str, flag: str) -> None:
        usd = None if limits.usd is None else _trillionths(limits.usd)
        milliseconds = None if limits.seconds is None else round(limits.seconds * 1000)
        self._usd = _Gauge(usd, _dollars, whose, f"{flag}-usd")
        self._tokens = _Gauge(limits.tokens, "{:,} tokens".format, whose, f"{flag}-tokens")
        self._time = _Gauge(milliseconds, _duration, whose, f"{flag}-time")
        self._out = 0
        self._started: float | None = None
        self._why = ""

    def fits(self, amounts: _Amounts) -> bool:
        return not any(self._lacking(amounts))

    def end(self, amounts: _Amounts, now: float) -> str:
        """Why nothing more can be spent; empty as long as something may."""
        self._tell_time(now)
        if not self._why and not self._time.fits(0):
            self._why = self._time.why_not(0)
        if not self._why and not self._out:
            self._why = next(self._lacking(amounts), "")
        return self._why

    def hold(self, amounts: _Amounts, now: float) -> None:
        self._started = now if self._started is None else self._started
        self._out += 1
        self._reserve(amounts, 1)

    def free(self, amounts: _Amounts) -> None:
        self._out -= 1
        self._reserve(amounts, -1)

    def add(self, amounts: _Amounts) -> None:
        for gauge, amount in zip(self._counted(), amounts, strict=True):
            gauge.spent += amount

    def marks(self, now: float | None = None) -> list[str]:
        """A line for each mark that was reached since this was last asked; of the time only if it is told."""
        if now is not None:
            self._tell_time(now)
        return [line for gauge in (*self._counted(), self._time) for line in gauge.crossed()]

    def spent(self) -> Spend:
        return Spend(self._usd.spent / _TRILLION, self._tokens.spent)

    def _counted(self) -> tuple["_Gauge", "_Gauge"]:
        return self._usd, self._tokens

    def _lacking(self, amounts: _Amounts) -> Iterator[str]:
        gauges = zip(self._counted(), amounts, strict=True)
        return (gauge.why_not(amount) for gauge, amount in gauges if not gauge.fits(amount))

    def _reserve(self, amounts: _Amounts, sign: int) -> None:
        for gauge, amount in zip(self._counted(), amounts, strict=True):
            gauge.reserved += sign * amount

    def _tell_time(self, now: float) -> None:
        if self._started is not None:
            self._time.spent = round((now - self._started) * 1000)


class _Gauge:
    """One limited quantity, in whole units: what of it is spent, and what is kept for calls that are out."""

    def __init__(self, limit: int | None, written: Callable[[int], str], whose: str, flag: str) -> None:
        self.spent = 0
        self.reserved = 0
        self._limit = limit
        self._written = written
        self._whose = whose
        self._flag = flag
        self._marks = list(MARKS)

    def fits(self, more: int) -> bool:
        return self._limit is None or self.spent + self.reserved + more <= self._limit

    def why_not(self, more: int) -> str:
        wanted = f", and the next call may take {self._written(more)}" if more else ""
        return f"{self._name()} is spent ({self._written(self.spent)}{wanted}); {self._flag} allows more"

    def crossed(self) -> Iterator[str]:
        if self._limit is None or not self.spent:
            return
        reached = [mark for mark in self._marks if self.spent * 100 >= mark * self._limit]
        del self._marks[: len(reached)]
        if reached:
            yield f"{reached[-1]} % of {self._name()} is spent ({self._written(self.spent)})"

    def _name(self) -> str:
        return f"the budget of {self._written(self._limit or 0)}{self._whose}"


def _amounts(spend: Spend) -> _Amounts:
    return _trillionths(spend.usd), spend.tokens


def _trillionths(usd: float) -> int:
    return round(usd * _TRILLION)


def _dollars(trillionths: int) -> str:
    """Cents, or where a dollar is not reached as many decimals as it takes, up to six."""
    usd = trillionths / _TRILLION
    if usd >= 1:
        return f"${usd:,.2f}"
    whole, _, decimals = f"{usd:.6f}".partition(".")
    return f"${whole}.{decimals.rstrip('0'):0<2}"


def _duration(milliseconds: int) -> str:
    minutes, seconds = divmod(milliseconds / 1000, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (round(seconds, 1), "s"))
    return " ".join(f"{number:g} {unit}" for number, unit in parts if number) or "0 s"
