"""What is easily got wrong; `broken_on_purpose.py` shows that each of it is seen here when it is wrong."""

from pathlib import Path

import pytest

from tests.parity import traps

pytestmark = [pytest.mark.parity, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("way", traps.WAYS)
def test_nothing_differs(way: str, tmp_path: Path, stories260k: Path) -> None:
    traps.write(tmp_path)
    said = traps.lm_evals(tmp_path, [way], stories260k)
    assert traps.differences(said, way, tmp_path, stories260k, tmp_path / "results") == []
