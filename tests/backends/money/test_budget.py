"""A budget holds: nothing is sent that may not fit, and nothing that was spent is forgotten."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.money.budget import MARKS, Budget, Limits, Reservation, Spend, Spent, Wait

RUN = Limits(usd=1.0, tokens=1000)
ACCOUNT = Limits(usd=0.7, tokens=800)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reserve", "reserve", "settle", "settle", "release", "note"]),
        st.sampled_from(["arc", "gsm8k"]),
        st.builds(Spend, usd=st.integers(0, 40).map(lambda cents: cents / 100), tokens=st.integers(0, 400)),
        st.integers(0, 20),
        st.integers(0, 400),
    ),
    max_size=60,
)


@dataclass
class Played:
    """A budget under a sequence of moves, with what a reader of them expects."""

    budget: Budget = field(default_factory=lambda: Budget(RUN, ACCOUNT))
    out: list[Reservation] = field(default_factory=list)
    taken: list[tuple[str, Spend]] = field(default_factory=list)
    over: float = 0.0
    lines: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)

    def play(self, moves: Iterable[tuple[str, str, Spend, int, int]], most: int) -> None:
        """most: what a call may take at most, in per cent of what it reserved."""
        for move, account, spend, position, share in moves:
            if move == "reserve":
                self.reserve(account, spend)
            elif move == "note" and most > 100:
                self.taken.append((account, spend))
                self.lines += self.budget.note(account, spend)
            elif move == "settle" and self.out:
                self.settle(self.out.pop(position % len(self.out)), min(share, most))
            elif move == "release" and self.out:
                self.budget.release(self.out.pop(position % len(self.out)))

    def reserve(self, account: str, spend: Spend) -> None:
        granted = self.budget.reserve(account, spend, now=0.0)
        self.check(granted, account, spend)
        if isinstance(granted, Reservation):
            self.out.append(granted)
            self.over = 0.0

    def settle(self, reservation: Reservation, share: int) -> None:
        estimate = reservation.spend
        actual = Spend(estimate.usd * share / 100, estimate.tokens * share // 100)
        self.over += max(0.0, actual.usd - estimate.usd)
        self.taken.append((reservation.account, actual))
        self.lines += self.budget.settle(reservation, actual, now=0.0)

    def check(self, granted: Reservation | Wait | Spent, account: str, spend: Spend) -> None:
        own = [one for one in self.out if one.account == account]
        fits = self.fits(self.out, None, RUN, spend) and self.fits(own, account, ACCOUNT, spend)
        assert not isinstance(granted, Reservation) or fits
        assert not isinstance(granted, Wait) or (self.out and not fits)
        if isinstance(granted, Spent):
            assert not (own if f" for {account} " in granted.why else self.out)
            assert not fits or granted.why in self.ended
            self.ended.add(granted.why)

    def fits(self, out: list[Reservation], account: str | None, limits: Limits, spend: Spend) -> bool:
        usd = (
            sum(trillionths(one.spend) for one in out)
            + round(self.total(account).usd * 1e12)
            + trillionths(spend)
        )
        tokens = sum(one.spend.tokens for one in out) + self.total(account).tokens + spend.tokens
        return usd <= round((limits.usd or 0) * 1e12) and tokens <= (limits.tokens or 0)

    def total(self, account: str | None) -> Spend:
        mine = [spend for name, spend in self.taken if account in (None, name)]
        return Spend(sum(map(trillionths, mine)) / 1e12, sum(spend.tokens for spend in mine))


def trillionths(spend: Spend) -> int:
    return round(spend.usd * 1e12)


def granted(budget: Budget, spend: Spend, account: str = "arc", now: float = 0.0) -> Reservation:
    reservation = budget.reserve(account, spend, now)
    assert isinstance(reservation, Reservation)
    return reservation


def why(budget: Budget, spend: Spend, account: str = "arc", now: float = 0.0) -> str:
    spent = budget.reserve(account, spend, now)
    assert isinstance(spent, Spent)
    return spent.why


@given(MOVES)
def test_no_limit_is_passed_where_calls_take_no_more_than_they_reserved(
    moves: list[tuple[str, str, Spend, int, int]],
) -> None:
    played = Played()
    played.play(moves, most=100)
    played.play([("settle", "arc", Spend(), 0, 100)] * len(played.out), most=100)
    assert played.budget.spent().usd <= 1.0
    assert played.budget.spent().tokens <= 1000
    assert all(played.budget.spent(name).usd <= 0.7 for name in ("arc", "gsm8k"))


@given(MOVES)
def test_limits_are_passed_by_no_more_than_what_calls_that_were_out_took_above_their_reservation(
    moves: list[tuple[str, str, Spend, int, int]],
) -> None:
    played = Played()
    played.play([move for move in moves if move[0] != "note"], most=400)
    assert played.budget.spent().usd <= 1.0 + played.over + 1e-9


@given(MOVES)
def test_all_that_was_settled_and_noted_is_accounted_to_the_run_and_its_account(
    moves: list[tuple[str, str, Spend, int, int]],
) -> None:
    played = Played()
    played.play(moves, most=400)
    for account in (None, "arc", "gsm8k"):
        assert played.budget.spent(account) == played.total(account)


@given(MOVES)
def test_marks_come_once_and_in_order_and_as_soon_as_they_are_reached(
    moves: list[tuple[str, str, Spend, int, int]],
) -> None:
    played = Played()
    played.play(moves, most=400)
    marks = [int(line.split()[0]) for line in played.lines if "the budget of $1.00 is" in line]
    share = trillionths(played.budget.spent()) / 1e12
    assert marks == sorted(set(marks))
    assert marks[-1:] == [mark for mark in MARKS if share * 100 >= mark][-1:]


@given(MOVES)
def test_what_was_spent_once_is_spent_for_good(moves: list[tuple[str, str, Spend, int, int]]) -> None:
    budget, ended = Budget(RUN, ACCOUNT), ""
    out: list[Reservation] = []
    for move, _, spend, position, _ in moves:
        if move == "reserve":
            match budget.reserve("arc", spend, 0.0):
                case Reservation() as reservation:
                    assert not ended
                    out.append(reservation)
                case Spent(said):
                    assert ended in ("", said)
                    ended = said
        elif out:
            budget.release(out.pop(position % len(out)))


def test_a_call_that_does_not_fit_waits_while_another_is_out_and_fits_once_that_took_less() -> None:
    budget = Budget(Limits(usd=1.0))
    first = granted(budget, Spend(usd=0.8))
    assert budget.reserve("arc", Spend(usd=0.5), 0.0) == Wait()
    budget.settle(first, Spend(usd=0.4), 0.0)
    assert isinstance(budget.reserve("arc", Spend(usd=0.5), 0.0), Reservation)


def test_a_budget_that_a_call_does_not_fit_and_of_which_nothing_is_out_is_spent_and_says_by_what_flag() -> (
    None
):
    budget = Budget(Limits(usd=5.0))
    budget.settle(granted(budget, Spend(usd=4.98)), Spend(usd=4.98), 0.0)
    said = "the budget of $5.00 is spent ($4.98, and the next call may take $0.05); --budget-usd allows more"
    assert why(budget, Spend(usd=0.05)) == said
    assert why(budget, Spend(usd=0.001)) == said


@pytest.mark.parametrize(("limit", "third"), [(0.3, 0.1), (1.005, 0.335)])
def test_calls_of_the_whole_budget_fit_to_the_last_cent(limit: float, third: float) -> None:
    budget = Budget(Limits(usd=limit))
    for _ in range(3):
        budget.settle(granted(budget, Spend(usd=third)), Spend(usd=third), 0.0)
    assert why(budget, Spend(usd=0.000001))


def test_an_account_that_is_spent_leaves_the_others_their_own() -> None:
    budget = Budget(Limits(usd=5.0), Limits(tokens=1000))
    budget.settle(granted(budget, Spend(tokens=900), "gsm8k"), Spend(tokens=900), 0.0)
    assert why(budget, Spend(tokens=200), "gsm8k") == (
        "the budget of 1,000 tokens for gsm8k is spent (900 tokens, and the next call may take 200 tokens); "
        "--task-budget-tokens allows more"
    )
    assert isinstance(budget.reserve("arc", Spend(tokens=200), 0.0), Reservation)


def test_a_call_that_is_too_large_for_account_and_run_ends_the_account_alone() -> None:
    budget = Budget(Limits(usd=1.0), Limits(usd=0.5))
    assert "for arc" in why(budget, Spend(usd=2.0))
    assert isinstance(budget.reserve("gsm8k", Spend(usd=0.5), 0.0), Reservation)


def test_an_account_waits_for_calls_of_others_where_it_is_the_run_that_is_full() -> None:
    budget = Budget(Limits(usd=1.0), Limits(usd=0.9))
    other = granted(budget, Spend(usd=0.9), "gsm8k")
    assert budget.reserve("arc", Spend(usd=0.2), 0.0) == Wait()
    budget.release(other)
    assert isinstance(budget.reserve("arc", Spend(usd=0.2), 0.0), Reservation)


def test_time_counts_from_the_first_call_of_run_and_account_and_ends_whatever_is_out() -> None:
    budget = Budget(Limits(seconds=5400), Limits(seconds=60.5))
    granted(budget, Spend(), "arc", now=1000.0)
    granted(budget, Spend(), "gsm8k", now=1050.0)
    assert why(budget, Spend(), "arc", now=1061.0) == (
        "the budget of 1 min 0.5 s for arc is spent (1 min 1 s); --task-budget-time allows more"
    )
    granted(budget, Spend(), "gsm8k", now=1061.0)
    assert why(budget, Spend(), "boolq", now=6401.0) == (
        "the budget of 1 h 30 min is spent (1 h 30 min 1 s); --budget-time allows more"
    )


def test_marks_of_time_come_with_the_next_answer() -> None:
    budget = Budget(Limits(seconds=100))
    calls = [granted(budget, Spend(), now=10.0) for _ in range(3)]
    assert budget.settle(calls[0], Spend(), now=59.0) == []
    assert budget.settle(calls[1], Spend(), now=60.0) == ["50 % of the budget of 1 min 40 s is spent (50 s)"]
    assert budget.settle(calls[2], Spend(), now=109.0) == [
        "95 % of the budget of 1 min 40 s is spent (1 min 39 s)"
    ]


def test_marks_name_run_and_account_and_of_several_at_once_the_highest_is_said() -> None:
    budget = Budget(Limits(usd=5.0), Limits(usd=0.004))
    assert budget.note("arc", Spend(usd=0.0021)) == [
        "50 % of the budget of $0.004 for arc is spent ($0.0021)"
    ]
    assert budget.note("gsm8k", Spend(usd=2.5)) == [
        "95 % of the budget of $0.004 for gsm8k is spent ($2.50)",
        "50 % of the budget of $5.00 is spent ($2.50)",
    ]


def test_what_an_earlier_start_spent_is_spent() -> None:
    budget = Budget(Limits(usd=1.0))
    budget.note("arc", Spend(usd=0.9, tokens=10))
    assert budget.spent() == Spend(0.9, 10)
    assert why(budget, Spend(usd=0.2))


def test_a_budget_of_nothing_lets_through_what_costs_nothing() -> None:
    budget = Budget(Limits(usd=0.0))
    assert budget.settle(granted(budget, Spend(tokens=5)), Spend(tokens=5), 0.0) == []
    assert why(budget, Spend(usd=0.01)).startswith("the budget of $0.00 is spent ($0.00, and")


def test_without_limits_everything_fits_and_is_counted_all_the_same() -> None:
    budget = Budget(Limits())
    assert budget.settle(granted(budget, Spend(1e6, 10**9)), Spend(1e6, 10**9), 1e9) == []
    assert budget.spent() == Spend(1e6, 10**9)


def test_a_reservation_is_given_back_once() -> None:
    budget = Budget(Limits(usd=1.0))
    reservation = granted(budget, Spend(usd=0.5))
    budget.settle(reservation, Spend(usd=0.5), 0.0)
    for give_back in (budget.release, lambda one: budget.settle(one, Spend(usd=0.5), 0.0)):
        with pytest.raises(ValueError, match="is not out"):
            give_back(reservation)
    assert budget.spent().usd == 0.5


class Slow(int):
    """An amount that lets other threads run whenever it is added to another."""

    def __radd__(self, other: int) -> int:
        time.sleep(1e-6)
        return other + int(self)


def test_many_threads_spend_no_more_than_there_is_and_lose_nothing() -> None:
    budget, settled = Budget(Limits(tokens=1000)), []

    def work() -> None:
        while not isinstance(found := budget.reserve("arc", Spend(tokens=Slow(7)), 0.0), Spent):
            if isinstance(found, Reservation):
                settled.append(5)
                budget.settle(found, Spend(tokens=Slow(5)), 0.0)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 993 < budget.spent().tokens == sum(settled) <= 1000
