"""Samples on disk: a Parquet file with a row per document and filter, and lm-eval's hashes.

Columns as in lm-eval's sample lines: `doc_id`, `doc`, `target`, `arguments`, `resps`, `filtered_resps`,
`filter`, `doc_hash`, `prompt_hash`, `target_hash` and one column per metric; what is nested is JSON text.
A metric that has the name of another column is under `<name> (score)`.
Ours: `status`, `tokens_in`, `tokens_out` and `seconds` of the document's responses (of a batch their share;
null where that is not known), and in a file in which a model thought `thinking`, laid out as `resps`: what it
wrote before each answer; in a file with prompts that were longer than the model reads `tokens_cut`; where
answers are programs `programs`: what became of each.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from backends.requests import Request, Response
from flows.common.json_object import JsonObject
from flows.results import strict_json
from flows.storage.files import Place, atomic_path
from tasks_lib.data.media_documents import MediaDoc
from tasks_lib.errors import TaskError
from tasks_lib.prompts.attachments import image_digest, is_image
from tasks_lib.scoring.scorer import Sample

# Of what is not a score.
_TEXTS = ("doc", "target", "arguments", "resps", "filtered_resps", "filter", "doc_hash", "prompt_hash")
COLUMNS = {
    *_TEXTS,
    "doc_id",
    "target_hash",
    "status",
    "tokens_in",
    "tokens_out",
    "seconds",
    "thinking",
    "tokens_cut",
    "programs",
}
_ARGUMENTS = {"image": "visual", "audio": "audio"}
NESTED = ("doc", "target", "arguments", "resps", "filtered_resps", "thinking", "programs")
_ROWS_A_GROUP = 1000
_SURROGATE = re.compile("[\ud800-\udfff]")


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Write the samples of one task; the file is whole or not there."""
    schema = _schema(samples)
    shared: dict[int, JsonObject] = {}
    with atomic_path(path) as temporary, parquet.ParquetWriter(temporary, schema, compression="zstd") as file:
        for start in range(0, len(samples), _ROWS_A_GROUP):
            rows = [_row(sample, schema, shared) for sample in samples[start : start + _ROWS_A_GROUP]]
            file.write_table(pa.Table.from_pylist(rows, schema=schema))


def check_writable(task: str, samples: Sequence[Sample]) -> None:
    """Raise TaskError where a file cannot hold such samples, of which there may be none."""
    try:
        schema = _schema(samples)
        pa.Table.from_pylist([_row(sample, schema, {}) for sample in samples], schema=schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise TaskError(f"{task}: its samples cannot be written: {error}") from error


def score_column(metric: str) -> str:
    """The column of a metric's scores: its name, but where that is another column's."""
    return f"{metric} (score)" if metric in COLUMNS else metric


def read_samples(path: Place) -> list[JsonObject]:
    """The rows of a samples file, its JSON columns decoded."""
    with path.open("rb") as file:
        return sample_rows(file)


def sample_rows(file: BinaryIO) -> list[JsonObject]:
    """As `read_samples`, of a file that is open. Raises what damage raises (`flows.results.reading`)."""
    table = parquet.read_table(file)
    check_columns(table.schema)
    rows: list[JsonObject] = table.to_pylist()
    nested = [name for name in NESTED if name in table.column_names]
    return [{**row, **{name: json.loads(row[name]) for name in nested}} for row in rows]


def check_columns(schema: pa.Schema) -> None:
    """Raise ValueError where a file has not the columns of samples."""
    for name in ("doc_id", *_TEXTS, "target_hash"):
        if name not in schema.names:
            raise ValueError(f"it has no column {name!r}")
        kind = schema.field(name).type
        fits = pa.types.is_integer if name == "doc_id" else _is_text
        if not fits(kind):
            raise ValueError(f"its column {name!r} is of {kind}")


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string())


def as_json(value: object) -> str:
    """JSON of any document or score; what JSON does not know is written as lm-eval writes it, but for NaN and
    infinity, which are null.

    A lone surrogate, which no file in UTF-8 can hold, is escaped.
    """
    text = strict_json.dumps(value, ensure_ascii=False, default=_shown)
    if text.isascii():
        return text
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def doc_hash(doc: object) -> str:
    return _hash(json.dumps(_readable(doc), indent=2, default=_plain, ensure_ascii=False))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: object) -> object:
    """numpy scalars as Python's, sets as lists, images as their sha256, all else as text (lm-eval,
    `handle_non_serializable` and `hash_dict_images`)."""
    if isinstance(value, np.generic):
        return value.item()
    if is_image(value):
        return image_digest(value)
    return list(value) if isinstance(value, set) else str(value)


def _shown(value: object) -> object:
    """Bytes as their sha256, all else as `_plain` has it."""
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else _plain(value)


def _schema(samples: Sequence[Sample]) -> pa.Schema:
    numeric: dict[str, bool] = {}
    for sample in samples:
        for metric, value in sample.scores.items():
            name = score_column(metric)
            numeric[name] = numeric.get(name, True) and isinstance(value, Real | np.bool_)
    is_cut = any(one.prompt_cut for sample in samples for one in _all_responses(sample))
    has_programs = any(sample.programs for sample in samples)
    has_thinking = any(one.thinking is not None for sample in samples for one in _all_responses(sample))
    return pa.schema(
        [
            ("doc_id", pa.int64()),
            *((name, pa.large_string()) for name in _TEXTS),
            ("target_hash", pa.string()),
            ("status", pa.string()),
            ("tokens_in", pa.int64()),
            ("tokens_out", pa.int64()),
            ("seconds", pa.float64()),
            *([("thinking", pa.large_string())] if has_thinking else ()),
            *([("tokens_cut", pa.int64())] if is_cut else ()),
            *([("programs", pa.large_string())] if has_programs else ()),
            *((name, pa.float64() if is_number else pa.string()) for name, is_number in numeric.items()),
        ]
    )


def _row(sample: Sample, schema: pa.Schema, shared: dict[int, JsonObject]) -> JsonObject:
    """shared: what the rows of a document, one a filter, have in common; filled here."""
    scores = {
        name: float(value) if schema.field(name).type == pa.float64() else as_json(value)
        for metric, value in sample.scores.items()
        for name in (score_column(metric),)
    }
    doc_id = sample.answered.asked.doc_id
    if doc_id not in shared:
        shared[doc_id] = _columns_of_document(sample)
    return {
        **shared[doc_id],
        "target": as_json(sample.target),
        "filtered_resps": as_json(list(sample.filtered)),
        "filter": sample.filter,
        "target_hash": _hash(str(sample.target)),
        "programs": as_json(list(sample.programs)),
        **scores,
    }


def _columns_of_document(sample: Sample) -> JsonObject:
    asked = sample.answered.asked
    responses = _all_responses(sample)
    return {
        "doc_id": asked.doc_id,
        "doc": as_json(_readable(asked.doc)),
        "arguments": as_json([_arguments(request) for request in asked.requests]),
        "resps": as_json(_responses(sample)),
        "doc_hash": doc_hash(asked.doc),
        "prompt_hash": _hash(asked.requests[0].prompt_text),
        "status": "truncated" if any(one.status == "truncated" for one in responses) else "answer",
        "tokens_in": sum(one.tokens_in for one in responses),
        "tokens_out": sum(one.tokens_out for one in responses),
        "tokens_cut": sum(one.prompt_cut for one in responses),
        "seconds": sum(one.seconds for one in responses) or None,
        "thinking": as_json([[one.thinking for one in repeats] for repeats in sample.answered.responses]),
    }


def _all_responses(sample: Sample) -> list[Response]:
    return [response for repeats in sample.answered.responses for response in repeats]


def _arguments(request: Request) -> list[object]:
    """What lm-eval calls a request's arguments."""
    match request.kind:
        case "loglikelihood":
            return [request.prompt_text, request.continuation, *_attached(request)]
        case "loglikelihood_rolling":
            return [request.prompt_text, *_attached(request)]
        case "generate_until":
            return [request.prompt_text, dict(request.generation), *_attached(request)]


def _attached(request: Request) -> list[dict[str, list[str]]]:
    """Images and sounds as one more argument, each as its sha256 (lm-eval, `hash_dict_images`)."""
    found: dict[str, list[str]] = {}
    for attachment in request.attachments:
        found.setdefault(_ARGUMENTS[attachment.kind], []).append(attachment.digest)
    return [found] if found else []


def _readable(doc: object) -> object:
    """A document with the sha256 of its images and sounds in their place."""
    return doc.hashed() if isinstance(doc, MediaDoc) else doc


def _responses(sample: Sample) -> list[list[object]]:
    """What the model said to each request, once a repeat."""
    pairs = zip(sample.answered.asked.requests, sample.answered.responses, strict=True)
    return [[_said(request, response) for response in repeats] for request, repeats in pairs]


def _said(request: Request, response: Response) -> object:
    match request.kind:
        case "loglikelihood":
            return [response.logprob, response.is_greedy]
        case "loglikelihood_rolling":
            return response.logprob
        case "generate_until":
            return response.text
