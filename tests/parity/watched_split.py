"""A split of documents that note how they are read."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.parity.observed import Field, Row


class WatchedSplit(list[Row]):
    """A split of watched documents, with as much of `datasets.Dataset` as task files use."""

    @property
    def column_names(self) -> list[str]:
        return list(self[0]) if self else []

    features = property(lambda self: dict.fromkeys(self.column_names))
    num_rows = property(len)

    def map(
        self,
        function: Callable[..., Any],
        *,
        with_indices: bool = False,
        batched: bool = False,
        remove_columns: Iterable[str] = (),
        fn_kwargs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> "WatchedSplit":
        named = dict(fn_kwargs or {})
        if batched:
            columns = {name: [row[name] for row in self] for name in self.column_names}
            made = function(columns, **named)
            size = len(next(iter(made.values())))
            return WatchedSplit(Row(Field(), {key: made[key][i] for key in made}) for i in range(size))
        return WatchedSplit(
            Row(row.place, {**row, **(function(row, *([i] if with_indices else []), **named) or {})})
            for i, row in enumerate(self)
        )

    def filter(self, function: Callable[..., Any], **_: Any) -> "WatchedSplit":
        kept = WatchedSplit(row for row in self if function(row))
        return kept or self  # what comes after is to be watched as well

    def select(self, indices: Iterable[int], **_: Any) -> "WatchedSplit":
        return WatchedSplit(self[i] for i in indices if i < len(self))

    def rename_columns(self, names: Mapping[str, str], **_: Any) -> "WatchedSplit":
        return WatchedSplit(
            Row(row.place, {**row, **{new: row[old] for old, new in names.items()}}) for row in self
        )

    def rename_column(self, old: str, new: str, **_: Any) -> "WatchedSplit":
        return self.rename_columns({old: new})

    def remove_columns(self, names: Iterable[str], **_: Any) -> "WatchedSplit":
        return self

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return [row[key] for row in self]
        found = list.__getitem__(self, key)
        return WatchedSplit(found) if isinstance(key, slice) else found

    def add_column(self, name: str, column: Iterable[Any], **_: Any) -> "WatchedSplit":
        return WatchedSplit(
            Row(row.place, {**row, name: one}) for row, one in zip(self, column, strict=False)
        )

    def shuffle(self, *_: Any, **__: Any) -> "WatchedSplit":
        return self

    sort = flatten = cast_column = cast = select_columns = shuffle  # type: ignore[assignment]

    def to_list(self) -> list[Row]:
        return list(self)

    def to_pandas(self) -> Any:
        import pandas

        return pandas.DataFrame([dict(row) for row in self])
