"""What is kept of runs is for its owner alone, unless it was there before."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.store.responses import ResponseStore
from flows.cli.evaluate_command import main
from flows.storage.home import Home


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_command_makes_the_home_folder_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_installed_catalog: None
) -> None:
    home = tmp_path / "cache" / "home"
    monkeypatch.setenv("ASSAY_HOME", str(home))
    assert main(["--list-tasks=starter*"]) == 0
    assert mode(home) == 0o700
    assert mode(home.parent) == 0o755


def test_a_home_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Home(tmp_path).make()
    assert mode(tmp_path) == 0o755


def test_a_store_and_its_log_are_for_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite"
    with ResponseStore.open(file) as store:
        assert store.identity
        made = sorted(tmp_path.iterdir())
        assert len(made) > 1
        assert {mode(one) for one in made} == {0o600}


def test_a_store_that_is_shared_stays_so(tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite"
    with ResponseStore.open(file):
        pass
    file.chmod(0o664)
    with ResponseStore.open(file):
        assert mode(file) == 0o664
