"""The Python calls where an event loop runs already: in a coroutine, and in a notebook's cell."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from tests.support.lab import Lab
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE, until

IN_A_COROUTINE = """
import asyncio, sys
from pathlib import Path
from tests.support.python_calls import call_each

async def main():
    beside = asyncio.ensure_future(asyncio.sleep(0, "done"))
    call_each(Path(sys.argv[1]))
    assert await beside == "done"
    assert asyncio.current_task().get_coro().__name__ == "main"

asyncio.run(main())
"""
INTERRUPTED = """
import asyncio, sys
from flows import EvaluationSpec, evaluate

async def main():
    evaluate(EvaluationSpec.model_validate_json(sys.argv[1]))

asyncio.run(main())
"""


@pytest.mark.slow
def test_each_call_works_in_a_coroutine(prefect_server: str, home: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", IN_A_COROUTINE, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def test_one_ctrl_c_stops_a_run_in_a_coroutine(lab: Lab) -> None:
    lab.add_texts("sums", 60)
    spec = lab.spec("sums", "scripted:hash?batch_size=4&delay=0.2").model_dump_json()
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, spec],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ASSAY_HOME": str(lab.home)},
    )
    assert until(lambda: lab.asked >= 12, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" in errors.strip().splitlines()[-1]
    asked = lab.asked
    assert asked < 60
    assert lab.evaluate("sums", "scripted:hash?batch_size=4").record.assay.requests_reused >= asked - 4


class Notebook:
    """Cells that a kernel runs one after the other, as a person does."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def run(self, source: str) -> str:
        """What the cell shows when it has ended. Raises nbclient's CellExecutionError."""
        cells = self.client.nb.cells
        cells.append(nbformat.v4.new_code_cell(source))
        cell = self.client.execute_cell(cells[-1], len(cells) - 1)
        shown = [one.get("text") or one.get("data", {}).get("text/plain", "") for one in cell.outputs]
        return "\n".join(shown)


@pytest.fixture
def notebook(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A notebook in the lab's home."""
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(), timeout=int(PATIENCE))
    with client.setup_kernel(cwd=str(ROOT)):
        yield Notebook(client)


def test_a_notebook_evaluates_and_its_ctrl_c_stops_a_run_that_the_next_cell_goes_on_with(
    lab: Lab, notebook: Notebook
) -> None:
    lab.add_texts("sums", 60)
    slow = lab.spec("sums", "scripted:hash?batch_size=4&delay=0.2")
    notebook.run("from flows import EvaluationSpec, compare, evaluate")
    notebook.run(f"spec = EvaluationSpec.model_validate_json({slow.model_dump_json()!r})")

    def interrupt() -> None:
        assert until(lambda: lab.asked >= 12)
        os.kill(notebook.client.km.provisioner.pid, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="KeyboardInterrupt"):
        notebook.run("evaluate(spec, progress=True)")
    interrupting.join()
    asked = lab.asked
    assert asked < 60
    shown = notebook.run("result = evaluate(spec, progress=True)\nprint(result.table())")
    assert "exact_match" in shown
    assert "60 of 60 requests answered" in shown
    assert "ipywidgets" not in shown
    assert lab.last["assay"]["requests_reused"] >= asked - 4
    assert "exact_match" in notebook.run("print(compare([result, result.folder])[0].table())")
    assert notebook.run("import asyncio\nprint(await asyncio.sleep(0, 'the loop goes on'))").strip() == (
        "the loop goes on"
    )
