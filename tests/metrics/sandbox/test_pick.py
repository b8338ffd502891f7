"""Which sandbox is taken, and what is said where there is none."""

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from metrics.errors import MetricError
from metrics.sandbox import proof
from metrics.sandbox.docker import Docker
from metrics.sandbox.pick import sandbox_of
from metrics.sandbox.program import Program, Sandbox
from metrics.sandbox.unconfined import Unconfined


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    sandbox_of.cache_clear()
    yield
    sandbox_of.cache_clear()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where commands are looked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def script(file: Path, source: str) -> None:
    file.write_text(f"#!{sys.executable}\n{source}")
    file.chmod(0o755)


def test_auto_is_bubblewrap_where_that_holds(bwrap: Sandbox) -> None:
    assert sandbox_of("auto", allows_none=False) == bwrap
    assert sandbox_of("auto", allows_none=True) == bwrap


@pytest.mark.parametrize("choice", ["auto", "bwrap"])
def test_where_there_is_no_sandbox_the_way_out_is_named(path: Path, choice: str) -> None:
    with pytest.raises(MetricError, match=r"bwrap is not installed.*apt install bubblewrap"):
        sandbox_of(choice, allows_none=False)


def test_where_there_is_none_and_that_is_allowed_it_is_known_why(path: Path) -> None:
    because = "bwrap is not installed; docker and podman are not installed"
    assert sandbox_of("auto", allows_none=True) == Unconfined(because)


def test_a_sandbox_that_was_asked_for_is_never_left_out(path: Path) -> None:
    with pytest.raises(MetricError, match="bwrap is not installed"):
        sandbox_of("bwrap", allows_none=True)


def test_none_has_to_be_allowed() -> None:
    with pytest.raises(MetricError, match="--allow-unsafe-code"):
        sandbox_of("none", allows_none=False)
    assert sandbox_of("none", allows_none=True) == Unconfined("--sandbox none")


def test_a_bubblewrap_that_does_not_start_programs_is_not_taken(path: Path) -> None:
    script(path / "bwrap", "import sys; sys.exit('bwrap: No permissions to create new namespace')")
    with pytest.raises(MetricError, match=r"does not run programs here: bwrap: No permissions.*apt install"):
        sandbox_of("auto", allows_none=False)


def test_a_bubblewrap_that_holds_nothing_is_not_taken(path: Path) -> None:
    command = "argv = sys.argv[sys.argv.index('--') + 1 :]"
    script(
        path / "bwrap", f"import os, sys\n{command}\nos.execv(sys.executable, [sys.executable, *argv[-6:]])"
    )
    with pytest.raises(MetricError, match="does not hold here: a program could read a file outside of it"):
        sandbox_of("bwrap", allows_none=False)


# Docker, whose daemon is played


RUNS_AS_TOLD = """
import json, os, sys
argv = sys.argv[1:]
image = argv.index("an/image")
with open({log!r}, "a") as log:
    log.write(json.dumps(argv[:image]) + "\\n")
os.execv(sys.executable, [sys.executable, *argv[image + 2 :]])
"""


def test_a_container_has_no_network_no_rights_and_bounds(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_SANDBOX_IMAGE", "an/image")
    log = tmp_path / "log"
    script(path / "docker", RUNS_AS_TOLD.format(log=str(log)))
    with pytest.raises(MetricError, match="docker does not hold here: a program could read a file"):
        sandbox_of("docker", allows_none=False)
    said = json.loads(log.read_text().splitlines()[0])
    assert said[:2] == ["run", "--rm"]
    assert "--read-only" in said
    pairs = list(pairwise(said))
    for pair in (
        ("--network", "none"),
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--pids-limit", "32"),
        ("--memory", str(2**30)),
        ("--memory-swap", str(2**30)),
    ):
        assert pair in pairs
    assert not {"--privileged", "--volume"} & set(said)


def test_a_client_without_a_daemon_is_found_out(path: Path) -> None:
    script(path / "docker", "import sys; sys.exit('docker: Cannot connect to the Docker daemon')")
    with pytest.raises(MetricError, match=r"does not run programs here: docker: Cannot connect"):
        sandbox_of("auto", allows_none=False)


def test_podman_is_asked_where_docker_is_not(path: Path) -> None:
    script(path / "podman", "import sys; sys.exit('Error: no image')")
    with pytest.raises(MetricError, match="podman does not run programs here: Error: no image"):
        sandbox_of("docker", allows_none=False)


def test_what_a_container_reads_is_read_only() -> None:
    command = Docker("docker", "an/image").command(Program(["python", "x"], readable=[Path("/a/b")]))
    assert command[command.index("--volume") + 1] == "/a/b:/a/b:ro"
    assert command[-3:] == ["an/image", "python", "x"]


def test_no_sandbox_does_not_pass_for_one() -> None:
    with pytest.raises(MetricError, match="none does not hold here"):
        proof.check(Unconfined())
