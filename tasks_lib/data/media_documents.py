"""Documents with images or sounds, kept as the files they are and decoded where they are read."""

import hashlib
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Any

# What the schema of a Parquet file says of a column that holds files, in `datasets`' own words.
_FILE_COLUMNS = (b'"Image"', b'"Audio"')


class MediaDoc(dict[str, Any]):
    """A document some of whose fields `datasets` decodes (to Pillow images, ...): each time one is read anew,
    so that many documents take the space of their files.

    stored: the fields, these as they are in the file. features: these, as `datasets.Features` has them.
    """

    __slots__ = ("_features",)

    def __init__(self, stored: Mapping[str, Any], features: Mapping[str, Any]) -> None:
        super().__init__(stored)
        self._features = features

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if key not in self._features:
            return value
        from datasets.features.features import decode_nested_example

        return decode_nested_example(self._features[key], value)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401 - this is what it does

    # Without these `{**doc}` and the like would copy what is stored.

    def __iter__(self) -> Any:
        return super().__iter__()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]  # a view of `dict` decodes nothing
        return ItemsView(self)

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        return ValuesView(self)

    def copy(self) -> dict[str, Any]:
        return dict(self.items())

    def hashed(self) -> dict[str, Any]:
        """The document with the sha256 of its files in their place."""
        return {key: _hashed(value) for key, value in super().items()}


def documents(dataset: Any) -> list[Any]:
    """The rows of a `datasets.Dataset`, or of any other iterable of documents."""
    features = getattr(dataset, "features", None) or {}
    if not any(map(_holds_files, features.values())):
        return list(dataset)
    batches = dataset.with_format("arrow").iter(100)
    return [_document(row, features) for batch in batches for row in batch.to_pylist()]


def named_files(dataset: Any) -> Iterator[str]:
    """The files that rows of a dataset name where others hold an image or sound itself."""
    features = getattr(dataset, "features", None) or {}
    columns = [name for name, feature in features.items() if _holds_files(feature)]
    if columns:
        for batch in dataset.select_columns(columns).with_format("arrow").iter(100):
            yield from _named(batch.to_pylist())


def _named(value: Any) -> Iterator[str]:
    match value:
        case {"bytes": None, "path": str() as path}:
            yield path
        case dict() | list():
            for inner in value.values() if isinstance(value, dict) else value:
                yield from _named(inner)


def table_documents(table: Any) -> list[Any]:
    """The rows of a `pyarrow.Table`, whose schema may say that columns hold images or sounds."""
    said = (table.schema.metadata or {}).get(b"huggingface", b"")
    rows: list[Any] = table.to_pylist()
    if not any(column in said for column in _FILE_COLUMNS):
        return rows
    from datasets import Features

    features = Features.from_arrow_schema(table.schema)
    return [_document(row, features) for row in rows]


def _document(row: dict[str, Any], features: Mapping[str, Any]) -> MediaDoc:
    """A row as Arrow has it; what `datasets` decodes besides files (JSON) is decoded now."""
    from datasets.features.features import decode_nested_example

    files = {name: feature for name, feature in features.items() if _holds_files(feature)}
    plain = {name: decode_nested_example(features[name], row[name]) for name in row if name not in files}
    return MediaDoc({**row, **plain}, files)


def _holds_files(feature: Any) -> bool:
    from datasets.features import Audio, Image, LargeList, List, Video

    match feature:
        case Mapping():
            return any(map(_holds_files, feature.values()))
        case list():
            return _holds_files(feature[0])
        case List() | LargeList():
            return _holds_files(feature.feature)
    return isinstance(feature, Image | Audio | Video) and feature.decode


def _hashed(value: Any) -> Any:
    match value:
        case bytes():
            return hashlib.sha256(value).hexdigest()
        case {"bytes": bytes() as content, "path": _}:
            return hashlib.sha256(content).hexdigest()
        case {"bytes": None, "path": path}:
            return path
        case dict():
            return {key: _hashed(inner) for key, inner in value.items()}
        case list():
            return [_hashed(inner) for inner in value]
    return value
