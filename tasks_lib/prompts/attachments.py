"""Images and sounds of documents as the files that are attached to requests.

Images become PNG files, sound waves WAV files, both without loss; what is a sound file already stays one.
"""

import hashlib
import io
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backends.requests import Attachment, MediaKind
from tasks_lib.value_text import short_repr

# What PNG knows of Pillow's modes; an image of another one (CMYK, ...) becomes RGB.
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"})
_SOUND_FILES = {b"RIFF": "audio/wav", b"fLaC": "audio/flac", b"OggS": "audio/ogg", b"ID3": "audio/mpeg"}
_PCM, _FLOAT = 1, 3  # format tags of WAV


def attachments(
    kind: MediaKind, value: Any, check_file: Callable[[str], None] = lambda path: None
) -> Iterator[Attachment]:
    """The attachments of what a document has: one value, a list of them however nested, or None for none.

    An image is a Pillow image, an image file's bytes or path, or a mapping with `bytes` and `path`; a sound
    besides a mapping with `array` (samples, or channels by samples) and `sampling_rate`.
    check_file: raises TaskError for a path that may not be read.
    Errors: TypeError for anything else; what reading the file raises.
    """
    for one in () if value is None else _values(value):
        match one:
            case str() | Path() as path:
                check_file(str(path))
            case {"path": str() as path} if one.get("bytes") is None:
                check_file(path)
        yield _ENCODERS[kind](one)


def is_image(value: Any) -> bool:
    """Whether this is a Pillow image; Pillow is not imported to find out."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def image_digest(image: Any) -> str:
    """sha256 of a Pillow image as a PNG file."""
    return hashlib.sha256(_png(image)).hexdigest()


def _values(value: Any) -> Iterator[Any]:
    """The values in lists, however nested."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _values(inner)
    else:
        yield value


# Images


def _image(value: Any) -> Attachment:
    return Attachment.of("image", "image/png", _png(value if is_image(value) else _opened(value)))


def _opened(value: Any) -> Any:
    """The image of a file, turned upright as its camera says: decoded as `datasets` decodes one."""
    from datasets import Image

    stored: dict[str, Any]
    match value:
        case bytes():
            stored = {"bytes": value, "path": None}
        case str() | Path():
            stored = {"bytes": None, "path": str(value)}
        case {"bytes": bytes()} | {"path": str()}:
            stored = {"bytes": value.get("bytes"), "path": value.get("path")}
        case _:
            raise TypeError(f"gives {short_repr(value)}, not an image")
    return Image().decode_example(stored)


def _png(image: Any) -> bytes:
    file = io.BytesIO()
    (image if image.mode in _PNG_MODES else image.convert("RGB")).save(file, format="PNG")
    return file.getvalue()


# Sounds


def _sound(value: Any) -> Attachment:
    match value:
        case bytes():
            return _sound_file(value)
        case str() | Path():
            return _sound_file(Path(value).read_bytes())
        case {"bytes": bytes() as content}:
            return _sound_file(content)
        case {"path": str() as path} if "array" not in value:
            return _sound_file(Path(path).read_bytes())
    try:  # a mapping, or a decoder of `datasets` that can be read as one
        array, rate = np.asarray(value["array"]), int(value["sampling_rate"])
    except (TypeError, KeyError, ValueError) as error:
        raise TypeError(f"gives {short_repr(value)}, not a sound") from error
    return Attachment.of("audio", "audio/wav", wav(array, rate))


def _sound_file(content: bytes) -> Attachment:
    for start, media_type in _SOUND_FILES.items():
        if content.startswith(start):
            return Attachment.of("audio", media_type, content)
    if content[:1] == b"\xff" and content[1:2] >= b"\xe0":  # MP3 without a header: a frame's sync bits
        return Attachment.of("audio", "audio/mpeg", content)
    raise TypeError(f"gives a file that is no WAV, FLAC, OGG or MP3: it begins with {content[:8]!r}")


def wav(array: np.ndarray[Any, Any], rate: int) -> bytes:
    """A WAV file of a wave, samples or channels by samples: 16-bit integers as such, all else as floats of 32
    bits, or of 64 where 32 do not hold the samples."""
    if array.dtype == np.int16:
        tag, samples = _PCM, array.astype("<i2")
    else:
        exact = array.astype("<f8")
        short = exact.astype("<f4")
        tag, samples = _FLOAT, short if np.array_equal(short, exact, equal_nan=True) else exact
    channels = 1 if samples.ndim == 1 else samples.shape[0]
    data = samples.T.tobytes()  # the samples of all channels at one time follow one another
    frame = channels * samples.itemsize
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, 8 * samples.itemsize)
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
        for name, body in ((b"fmt ", form), (b"data", data))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


_ENCODERS: Mapping[MediaKind, Callable[[Any], Attachment]] = {"image": _image, "audio": _sound}
