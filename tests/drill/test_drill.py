"""Each attack of the drill is held in all its ways."""

from pathlib import Path

import pytest

from tests.drill.attack import Attack, outcome_of
from tests.drill.attacks import ATTACKS

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.what)
def test_an_attack_gets_nothing(attack: Attack, catalog_index: Path) -> None:
    outcome = outcome_of(attack, catalog_index)
    assert outcome.tries
    assert not outcome.lost
