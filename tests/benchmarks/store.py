"""How fast the response store is: `PYTHONPATH=. python tests/benchmarks/store.py [rows] [folder]`.

Prints rows written a second (durable, batches of 64, texts of 2 KB), look-ups a second (batches of 64), the
file's size, and the CPU time of key, look-up and write for one request.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from backends.identity import fingerprint_key, request_key
from backends.requests import Request, Response
from backends.store.responses import ResponseStore

T = TypeVar("T")
BATCH = 64
WORDS = ("the", "model", "answer", "question", "because", "therefore", "number", "step", "17", "42", "x", "=")


def main(rows: int, folder: str | None) -> None:
    texts = _texts(rows)
    model = fingerprint_key({"weights": "none"})
    requests = [Request("generate_until", text, generation={"until": ["\n\n"]}) for text in texts]
    responses = [Response(text=text, tokens_in=500, tokens_out=400, seconds=1.25) for text in reversed(texts)]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place, "responses.sqlite")
        with ResponseStore.open(path) as store:
            keys, cpu_key, _ = _timed(lambda: [request_key(model, request.digest()) for request in requests])
            _, cpu_miss, _ = _timed(lambda: _get(store, keys))
            _, cpu_put, wall_put = _timed(lambda: _put(store, keys, responses, model))
            _, cpu_get, wall_get = _timed(lambda: _get(store, keys))
        size = path.stat().st_size
    print(
        f"{rows} texts of 2 KB, batches of {BATCH}: {rows / wall_put:,.0f} written/s, "
        f"{size / rows:,.0f} bytes each"
    )
    print(f"{rows / wall_get:,.0f} look-ups/s")
    micro = 1e6 / rows
    print(
        f"CPU for a request: key {cpu_key * micro:.0f} us + look-up that misses {cpu_miss * micro:.0f} us "
        f"+ write {cpu_put * micro:.0f} us = {(cpu_key + cpu_miss + cpu_put) * micro:.0f} us "
        f"(look-up that hits {cpu_get * micro:.0f} us)"
    )


def _texts(count: int) -> list[str]:
    draw = random.Random(7)
    return [f"{index}: " + " ".join(draw.choices(WORDS, k=500))[:2040] for index in range(count)]


def _get(store: ResponseStore, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), BATCH):
        store.get_many(keys[start : start + BATCH])


def _put(store: ResponseStore, keys: Sequence[str], responses: Sequence[Response], model: str) -> None:
    for start in range(0, len(keys), BATCH):
        window = slice(start, start + BATCH)
        store.put_many(zip(keys[window], responses[window], strict=True), model)


def _timed(work: Callable[[], T]) -> tuple[T, float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, sys.argv[2] if len(sys.argv) > 2 else None)
