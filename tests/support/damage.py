"""Ways in which the folder of a finished run may be damaged, drawn at random from a seed."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

_INSTEAD: tuple[Any, ...] = (None, 5, -1.5, "text", "", [], {}, [None], {"a": 1}, True, "\x1b[2J", 10**400)


class Damage:
    """Damages copies of a run's folder. seed: of what is drawn."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._ways: tuple[Callable[[Path], object], ...] = (
            self._cut,
            self._of_other_bytes,
            self._of_a_folder,
            self._gone,
            self._of_another_table,
            *[self._of_other_values] * 5,
        )

    def to(self, folder: Path) -> str:
        """Damage one of the folder's files; what was done."""
        way = self._draw.choice(self._ways)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        kinds: dict[Callable[[Path], object], str] = {
            self._of_another_table: ".parquet",
            self._of_other_values: ".json",
        }
        file = self._draw.choice([path for path in files if path.suffix == kinds.get(way, path.suffix)])
        return f"{file.relative_to(folder)}: {way.__name__.strip('_')} {way(file) or ''}"

    def _cut(self, file: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: self._draw.randrange(len(content))])

    def _of_other_bytes(self, file: Path) -> None:
        content = bytearray(file.read_bytes())
        for _ in range(self._draw.randrange(1, 9)):
            content[self._draw.randrange(len(content))] = self._draw.randrange(256)
        file.write_bytes(content)

    def _of_a_folder(self, file: Path) -> None:
        file.unlink()
        file.mkdir()

    def _gone(self, file: Path) -> None:
        if file.suffix == ".parquet" and self._draw.random() < 0.5:
            shutil.rmtree(file.parent)
        else:
            file.unlink()

    def _of_another_table(self, file: Path) -> str:
        table = parquet.read_table(file)
        column = self._draw.randrange(table.num_columns)
        name = table.column_names[column]
        other = self._draw.choice([None, pa.nulls(table.num_rows), pa.array(["{"] * table.num_rows)])
        table = table.remove_column(column)
        parquet.write_table(table if other is None else table.append_column(name, other), file)
        return str(name)

    def _of_other_values(self, file: Path) -> str:
        content = json.loads(file.read_text("utf-8"))
        place, key = self._draw.choice(list(_places(content)))
        value = self._draw.choice(_INSTEAD)
        place[key] = value
        file.write_text(json.dumps(content), "utf-8")
        return f"{key} = {value!r:.20}"


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where a value stands in objects and lists, however deep."""
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
