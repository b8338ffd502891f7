"""Repeats the attacks of docs/security.md, and prints what held: `python -m tests.drill [PATTERN]`.

A table: each attack, in how many ways it was tried, how many held, its seconds, and what it cost; then those
that did not hold, with what was seen. Ends with 1 where there are any.
"""

import argparse
import fnmatch
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from flows.common.text_tables import markdown
from tests.drill.attack import Attack, Outcome, outcome_of
from tests.drill.attacks import ATTACKS
from tests.parity.whole_catalog import surroundings


def row(outcome: Outcome) -> Sequence[str]:
    cost = "; ".join(dict.fromkeys(one.cost for one in outcome.tries if one.cost))
    numbers = (str(len(outcome.tries)), str(outcome.held), f"{outcome.seconds:.0f}")
    return (outcome.attack.section, outcome.attack.what, *numbers, cost)


def table(outcomes: Sequence[Outcome]) -> str:
    header = ("section", "attack", "tried", "held", "seconds", "cost")
    return markdown(header, [row(one) for one in outcomes], right=("tried", "held", "seconds"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="*", help="of the names of attacks, as in a shell")
    pattern = parser.parse_args().pattern
    chosen: Sequence[Attack] = [one for one in ATTACKS if fnmatch.fnmatch(one.what, pattern)]
    with surroundings(), tempfile.TemporaryDirectory() as catalog:
        outcomes = [outcome_of(attack, Path(catalog)) for attack in chosen]
    print(table(outcomes))
    for outcome in outcomes:
        for lost in outcome.lost:
            print(f"\n{outcome.attack.what}: {lost.what}\n{lost.saw}")
    sys.exit(any(outcome.lost for outcome in outcomes))


if __name__ == "__main__":
    main()
