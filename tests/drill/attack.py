"""What an attack is, and what came of it."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.lab import Lab


@dataclass(frozen=True, slots=True)
class Try:
    """One way of an attack. held: whether it got nothing. saw: what there was to see, where it did.

    cost: what it took from whom it attacked, such as calls that were paid for twice.
    """

    what: str
    held: bool
    saw: str = ""
    cost: str = ""


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack in all its ways, in a lab of its own. section: of docs/security.md."""

    section: str
    what: str
    tries: Callable[[Lab], Iterator[Try]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attack. seconds: by the clock."""

    attack: Attack
    tries: Sequence[Try]
    seconds: float

    @property
    def held(self) -> int:
        """How many of its tries got nothing."""
        return sum(one.held for one in self.tries)

    @property
    def lost(self) -> Sequence[Try]:
        """The tries that got something."""
        return [one for one in self.tries if not one.held]


def outcome_of(attack: Attack, catalog: Path) -> Outcome:
    """Carry an attack out. catalog: the index of installed task files, which takes seconds to make."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="assay-drill-") as folder:
        lab = Lab(Path(folder))
        (lab.home / "catalog").symlink_to(catalog)
        tries = list(attack.tries(lab))
    return Outcome(attack, tries, time.monotonic() - began)
