"""Places that cannot be written: said before the model is asked, or a failed run that keeps all answers."""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Finished, Lab, finish
from tests.support.waiting import until


def with_limit(lab: Lab, file_bytes: int, tasks: str, *flags: str) -> Finished:
    """The command where no file may grow over so many bytes; the index of the catalog, which is larger, is
    there."""
    assert lab.run("--list-tasks=sums").status == 0
    process = lab.start(*flags, tasks=tasks)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    return finish(process)


def lines(ended: Finished) -> list[str]:
    assert "Traceback" not in ended.errors
    return ended.errors.strip().splitlines()


def test_an_output_folder_that_cannot_be_made_is_said_before_the_model_is_asked(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    lab.results.write_text("a file, not a folder")
    ended = lab.run(tasks="sums")
    assert (ended.status, lab.asked) == (2, 0)
    assert str(lab.results) in ended.errors
    assert len(lines(ended)) == 1


@pytest.mark.parametrize("inside", ["", "responses.sqlite"])
def test_a_home_that_cannot_be_made_is_said_before_the_model_is_asked(
    lab: Lab, tmp_path: Path, inside: str
) -> None:
    lab.add_texts("sums", 5)
    home = tmp_path / "blocked"
    if inside:
        (home / inside).mkdir(parents=True)
    else:
        home.write_text("a file, not a folder")
    ended = lab.run(tasks="sums", ASSAY_HOME=str(home))
    assert (ended.status, lab.asked) == (2, 0)
    assert str(home) in ended.errors
    assert len(lines(ended)) <= 2


def test_a_full_disk_fails_the_run_and_keeps_what_was_answered(lab: Lab) -> None:
    lab.add_texts("sums", 400)
    lab.evaluate("sums", limit=1)  # the step files are small; what grows is the store
    ended = with_limit(lab, 250_000, "sums")
    assert ended.status == 1
    assert 1 < lab.asked < 400
    assert "full" in ended.errors
    lines(ended)
    asked = lab.asked
    again = lab.run(tasks="sums")
    assert again.status == 0, again.errors
    assert lab.last["assay"]["requests_asked"] == 400 - (asked - 16)
    assert lab.asked == 400 + 16


def test_what_a_full_disk_lost_is_in_the_cost(lab: Lab, endpoint: Endpoint) -> None:
    lab.add_texts("sums", 400)
    model = f"openai-chat:m?base_url={endpoint.url}&max_concurrency=8"
    flags = ("--price=in=1,out=4", f"--model={model}")
    ended = with_limit(lab, 250_000, "sums", *flags)
    assert ended.status == 1
    counts = endpoint.counts()
    assert 8 < counts["distinct_answered"] < 400
    lost = lab.last["assay"]["cost"]["run"]
    assert lost["usd"] == pytest.approx((lost["tokens_in"] + 4 * lost["tokens_out"]) / 1_000_000)
    assert lab.run(*flags, tasks="sums").status == 0
    of_all = lab.last["assay"]["cost"]["run"]
    assert (
        lost["tokens_in"] * 400 == of_all["tokens_in"] * counts["distinct_answered"]
    )  # prompts of one length


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_results_that_do_not_fit_are_an_error_and_every_answer_is_kept(lab: Lab, small_disk: Path) -> None:
    lab.add_texts("sums", 20)
    run = small_disk / "results"
    fill = small_disk / "fill"
    process = lab.start(f"--output={run}", tasks="sums", model="scripted:hash?delay=0.5")
    assert until(lambda: lab.asked > 0, process)
    with pytest.raises(OSError, match="No space"):
        fill.write_bytes(bytes(2_000_000))
    ended = finish(process)
    assert ended.status == 1
    assert str(run) in ended.errors
    assert "No space left" in ended.errors
    assert "What was answered is kept" in ended.errors
    assert len(lines(ended)) == 2
    fill.unlink()
    again = lab.run(f"--output={run}", tasks="sums")
    assert (again.status, lab.asked) == (0, 20)


def test_an_unmounted_data_root_is_named(lab: Lab) -> None:
    lab.add_texts("sums", 2)
    ended = lab.run(f"--data-root={lab.data}/gone", tasks="sums")
    assert (ended.status, lab.asked) == (2, 0)
    assert f"--data-root: there is no folder {lab.data}/gone" in ended.errors
