"""Small images and sounds for tests, and datasets of them."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image


def picture(colour: str = "red", size: tuple[int, int] = (3, 2), mode: str = "RGB") -> Image.Image:
    """An image of one colour but for its first pixel, which is black."""
    image = Image.new("RGB", size, colour)
    image.putpixel((0, 0), (0, 0, 0))
    return image.convert(mode)


def pixels(image: Image.Image) -> tuple[str, tuple[int, int], bytes]:
    """What an image shows, however it was made."""
    return image.mode, image.size, image.tobytes()


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format=form, **options)
    return file.getvalue()


def write_parquet(file: Path, rows: Sequence[Mapping[str, Any]], *images: str) -> Path:
    """The rows as `datasets` writes them; the columns `images` hold images."""
    import datasets

    file.parent.mkdir(parents=True, exist_ok=True)
    dataset = datasets.Dataset.from_list([dict(row) for row in rows])
    for column in images:
        dataset = dataset.cast_column(column, datasets.Image())
    dataset.to_parquet(str(file))
    return file
