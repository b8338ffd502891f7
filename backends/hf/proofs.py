"""Which ways of asking give a model's own numbers: found out on the model at hand, and remembered.

A model may read a text otherwise where it shares work with others: its layers may count by place in the row
and not by position, its positions may come from the tokens, its mask may be ignored. The fast ways are used
up to the length to which they were seen to give what a text alone gives.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

log = logging.getLogger("assay")

# shared: what texts have in common is read once, and they are padded to one length; padded: each is read
# whole, in a batch padded to one length; alone: each by itself; plain: each token that is written by a pass
# over the whole text before it.
Way = Literal["shared", "padded", "alone", "plain"]
Kind = Literal["scoring", "writing"]
# What a model's code may raise where it is asked in a way that it is not made for.
CODE_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError)
# A length that nothing exceeds.
UNLIMITED = 1 << 62
_SAID: Mapping[Way, str] = {
    "padded": "each is read whole",
    "alone": "each is asked by itself",
    "plain": "each token is written by a pass over the whole text before it",
}
# Raise when a way becomes another, so that all are tried anew.
_VERSION = "1"

_SCHEMA = """create table if not exists proofs (
    model text, circumstances text, kind text, way text, length integer,
    primary key (model, circumstances, kind))"""


@dataclass(frozen=True, slots=True)
class Proof:
    """The fastest way that is right, for texts (and rows of them) of up to `length` tokens."""

    way: Way
    length: int


class ProofMemory:
    """What was found out, in `<home>/proofs.sqlite`; any number of processes may share a home.

    home: without one nothing outlives this object. model: its identity. circumstances: what else decides how
    it computes: versions, device, attention kernel.
    """

    def __init__(self, home: Path | None, model: str, circumstances: str) -> None:
        self._home = home
        self._key = (model, f"{_VERSION} {circumstances}")
        self._known: dict[Kind, Proof] = {}

    def get(self, kind: Kind) -> Proof | None:
        if kind not in self._known and self._home is not None:
            with self._open(self._home) as memory:
                row = memory.execute(
                    "select way, length from proofs where (model, circumstances, kind) = (?, ?, ?)",
                    (*self._key, kind),
                ).fetchone()
            if row is not None:
                self._known[kind] = Proof(*row)
        return self._known.get(kind)

    def put(self, kind: Kind, proof: Proof) -> None:
        self._known[kind] = proof
        if self._home is not None:
            with self._open(self._home) as memory:
                memory.execute(
                    "insert or replace into proofs values (?, ?, ?, ?, ?)",
                    (*self._key, kind, proof.way, proof.length),
                )

    @staticmethod
    @contextmanager
    def _open(home: Path) -> Iterator[sqlite3.Connection]:
        home.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(home / "proofs.sqlite", timeout=60)) as memory, memory:
            memory.execute(_SCHEMA)
            yield memory


class Prover:
    """Says which way to ask, and tries ways where it is not known for texts of that length.

    name: of the model. ways: fastest first; the last is right by itself. difference: by how many nats, beyond
    rounding, a way's log-probabilities are off on texts of up to so many tokens; None where they agree.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        memory: ProofMemory,
        ways: Sequence[Way],
        difference: Callable[[Way, int], float | None],
    ) -> None:
        self._name = name
        self._kind: Kind = kind
        self._memory = memory
        self._ways = ways
        self._difference = difference
        self._has_said = False

    def way_for(self, length: int) -> Way:
        """The fastest way that is right for texts of up to so many tokens."""
        proof = self._memory.get(self._kind) or Proof(self._ways[0], 0)
        if length > proof.length:
            proof = self._tried(proof.way, length)
            self._memory.put(self._kind, proof)
        self._say(proof)
        return proof.way

    def trusts(self, length: int) -> bool:
        """Whether that is the fastest way of all."""
        return self.way_for(length) == self._ways[0]

    def _tried(self, first: Way, length: int) -> Proof:
        *fast, last = self._ways
        for way in fast[self._ways.index(first) :]:
            nats = self._difference(way, length)
            if nats is None:
                return Proof(way, length)
            log.info(
                "%s: %s texts of %d tokens are off by %.3g nats (%s)",
                self._name, way, length, nats, self._kind,
            )  # fmt: skip
        return Proof(last, UNLIMITED)

    def _say(self, proof: Proof) -> None:
        if proof.way == self._ways[0] or self._has_said:
            return
        self._has_said = True
        log.warning(
            "%s gives other log-probabilities where texts share work than by a plain forward pass over each: "
            "%s, which is right and takes longer",
            self._name,
            _SAID[proof.way],
        )
