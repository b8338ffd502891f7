"""A line below a notebook's cell that says how far a run is; what is said of the run stays above it."""

import logging
from threading import Lock
from time import monotonic

from flows.reporting.artifact_pages import progress
from flows.reporting.reporter import Reporter
from metrics.shown_text import in_lines

# Each change goes through the kernel to a browser, which shows no more.
_EVERY_SECONDS = 0.5


class NotebookReporter(Reporter):
    """Shows text alone, which every front end of Jupyter can, without widgets."""

    def __init__(self) -> None:
        super().__init__()
        from IPython.display import display

        self._label, self._shown, self._at = "starting", "", -float("inf")
        self._changing = Lock()
        self._line = display({"text/plain": self._label}, raw=True, display_id=True)

    def working_on(self, what: str) -> None:
        self._label = what
        self._show()

    def say(self, line: str, level: int = logging.INFO) -> None:
        print(in_lines(line), flush=True)

    def close(self) -> None:
        """Show how far it came."""
        self._at = -float("inf")
        self._show()

    def _show(self) -> None:
        with self._changing:
            line = f"{self._label}: {progress(self.work)[1]}"
            if line == self._shown or monotonic() - self._at < _EVERY_SECONDS:
                return
            self._shown, self._at = line, monotonic()
            self._line.update({"text/plain": line}, raw=True)
