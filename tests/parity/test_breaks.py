"""What `broken_on_purpose.py` breaks is where it says."""

import pytest

from tests.parity.broken_on_purpose import BREAKS, Break
from tests.support.paths import ROOT


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.what)
def test_a_break_finds_what_it_breaks_once(one: Break) -> None:
    assert (ROOT / one.file).read_text(encoding="utf-8").count(one.old) == 1
