"""State that both libraries share for the session: Assay's home, and the data."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("lm_eval", reason="compares with lm-eval, which is not installed")

if TYPE_CHECKING:
    from tests.parity.oracle import Both

Run = Callable[..., "Both"]


@pytest.fixture(scope="session", autouse=True)
def _one_home(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: str, catalog_index: Path
) -> Iterator[None]:
    """One ASSAY_HOME for all comparisons, with the index of the catalog."""
    home = tmp_path_factory.mktemp("home")
    (home / "catalog").symlink_to(catalog_index)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_HOME", str(home))
        patch.delenv("ASSAY_DATA_ROOT", raising=False)
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr(logging.getLogger("lm_eval"), "level", logging.ERROR)
        yield


@pytest.fixture(scope="session")
def data_roots(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> tuple[Path, Path]:
    """The real data, and before it what it lacks: training splits that are there to draw examples from, and
    GLUE's RTE, which is SuperGLUE's with other column names."""
    from pyarrow import parquet

    root = tmp_path_factory.mktemp("data")
    for dataset in ("aps/super_glue/copa", "Rowan/hellaswag/default"):
        (root / dataset).mkdir(parents=True)
        # lm-eval processes all of a split six times a run
        table = parquet.read_table(shared_data / dataset / "validation.parquet").slice(0, 400)
        for split in ("train", "validation"):
            parquet.write_table(table, root / dataset / f"{split}.parquet")
    rte = root / "nyu-mll/glue/rte"
    rte.mkdir(parents=True)
    for split in ("train", "validation"):
        table = parquet.read_table(shared_data / f"aps/super_glue/rte/{split}.parquet")
        renamed = table.rename_columns({"premise": "sentence1", "hypothesis": "sentence2"})
        parquet.write_table(renamed, rte / f"{split}.parquet")
    return root, shared_data


@pytest.fixture
def run(data_roots: tuple[Path, Path], tmp_path: Path) -> Run:
    """Run both on tasks of the real data with made-up answers."""
    from tests.parity.oracle import Case, run_recorded

    def both(*tasks: str, **options: Any) -> "Both":
        return run_recorded(Case(tasks, data_roots, options=options), tmp_path)

    return both
