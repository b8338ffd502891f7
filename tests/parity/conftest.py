"""Both libraries' state, once for the session: a home with the catalog's index, and data roots."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def parity_home(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Iterator[Path]:
    """One ASSAY_HOME for all comparisons; each has its own model, so no answer serves twice."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_HOME", str(home))
        patch.delenv("ASSAY_DATA_ROOT", raising=False)
        yield home


@pytest.fixture(scope="session")
def data_roots(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> tuple[Path, ...]:
    """The real data, and before it what it lacks: training splits that are only there to draw examples from,
    and GLUE's RTE, which is SuperGLUE's under other column names."""
    return patched(tmp_path_factory.mktemp("data"), shared_data), shared_data


def patched(root: Path, shared: Path) -> Path:
    from pyarrow import parquet

    for dataset in ("aps/super_glue/copa", "Rowan/hellaswag/default"):
        folder = root / dataset
        folder.mkdir(parents=True)
        for split in ("train", "validation"):
            (folder / f"{split}.parquet").symlink_to(shared / dataset / "validation.parquet")
    rte = root / "nyu-mll" / "glue" / "rte"
    rte.mkdir(parents=True)
    for split in ("train", "validation"):
        table = parquet.read_table(shared / "aps/super_glue/rte" / f"{split}.parquet")
        parquet.write_table(
            table.rename_columns({"premise": "sentence1", "hypothesis": "sentence2"}), rte / f"{split}.parquet"
        )
    return root
