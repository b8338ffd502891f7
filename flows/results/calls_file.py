"""Calls on disk: a Parquet file with a row for each request of a task, beside the scores.

Columns: `doc_id`, `index`, `repeat` and `kind` say which request; `status`, `error` what became of it; then
when (`call_totals.COLUMNS`), the tokens and whether the endpoint counted them, and who answered (`asked`,
`model`, `endpoint`, `http_status`). In a run's folder also `usd`, what it cost; null where that is unknown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from backends.money.prices import Price, Usage, cost
from backends.requests import Call, Request, Response
from flows.results.call_totals import COLUMNS
from flows.storage.files import atomic_path

SCHEMA = pa.schema(
    [
        ("doc_id", pa.int64()),
        ("index", pa.int32()),
        ("repeat", pa.int32()),
        ("kind", pa.string()),
        ("prompt_bytes", pa.int64()),
        ("error", pa.string()),
        ("counted", pa.bool_()),
        ("asked", pa.string()),
        ("model", pa.string()),
        ("endpoint", pa.string()),
        ("http_status", pa.int32()),
        *COLUMNS,
    ]
)
_NEVER = Call(enqueued=0.0, attempts=0)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One request of a task, and what came of it."""

    doc_id: int
    index: int
    request: Request
    response: Response


def write_calls(path: Path, calls: Iterable[CallRecord]) -> None:
    """Write the calls of one task; the file is whole or not there."""
    with atomic_path(path) as temporary:
        parquet.write_table(calls_table(calls), temporary, compression="zstd")


def calls_table(calls: Iterable[CallRecord]) -> pa.Table:
    """The calls of one task, a row each."""
    rows = [_row(one) for one in calls]
    columns = {name: [row[position] for row in rows] for position, name in enumerate(SCHEMA.names)}
    return pa.table(columns, schema=SCHEMA)


def priced(calls: pa.Table, prices: Mapping[str, Price | None]) -> pa.Table:
    """The calls with what each cost, in USD."""
    names = ("asked", "tokens_in", "tokens_out", "tokens_cached", "status")
    rows = zip(*(calls[name].to_pylist() for name in names), strict=True)
    usd = [
        cost(prices.get(asked), Usage(tokens_in or 0, tokens_out or 0, cached or 0))
        if status not in ("failed", "skipped") or tokens_in or tokens_out
        else 0.0
        for asked, tokens_in, tokens_out, cached, status in rows
    ]
    return calls.append_column("usd", pa.array(usd, pa.float64()))


def _row(one: CallRecord) -> tuple[object, ...]:
    request, response = one.request, one.response
    call = response.call or _NEVER
    return (
        one.doc_id,
        one.index,
        request.repeat,
        request.kind,
        len((request.prompt_text + request.continuation).encode("utf-8", "surrogatepass")),
        response.error,
        call.counted,
        call.asked,
        call.model,
        call.endpoint,
        call.http_status,
        call.enqueued or None,
        call.started,
        call.first_token,
        call.finished,
        response.tokens_in,
        response.tokens_out,
        call.tokens_cached,
        call.attempts,
        list(call.failures),
        response.status,
    )
