"""Every test of this folder can make tasks of its own."""

from pathlib import Path

import pytest

from tests.support.task_maker import TaskMaker


@pytest.fixture
def maker(tmp_path: Path) -> TaskMaker:
    return TaskMaker(tmp_path)
