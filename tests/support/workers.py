"""How tests are dealt out to pytest-xdist's workers."""

import pytest
from xdist.scheduler import LoadScopeScheduling

# One worker runs all of such a folder, since its tests share slow starters; longest first.
TOGETHER = ("tests/deployed/", "tests/cluster/", "tests/storage/", "tests/flows/sinks/")
# Single files that take long come before the rest, so that no worker is left alone with one at the end.
EARLY = ("tests/faults/", "tests/flows/", "tests/backends/hf/", "tests/parity/")


class ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """A worker gets a file, or all of a folder of `TOGETHER`, in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def long_first(items: list[pytest.Item]) -> None:
    """Sort what was collected."""
    order = (*TOGETHER, *EARLY, "")

    def place(item: pytest.Item) -> int:
        return next(number for number, start in enumerate(order) if item.nodeid.startswith(start))

    items.sort(key=place)
