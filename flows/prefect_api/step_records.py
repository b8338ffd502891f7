"""Prefect's records of finished steps: where they are kept, and that they are plain data.

A record names what reads it. Whoever can write to the folder or bucket could so have any code run on every
machine that resumes from it: what is not written by our own serializer is no record, and its step runs again.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any, cast

from prefect.filesystems import WritableFileSystem
from prefect.utilities.asyncutils import sync_compatible
from pydantic import Field

from flows.storage.files import Place, atomic_path, place_of

# How the serializer of steps is called in their records (`flows.steps.record_serializer`).
SERIALIZER = "assay-record"


class StepRecords(WritableFileSystem):
    """Small JSON files below an address. Prefect's server is told the address and no credentials."""

    _block_type_name = "Assay step records"
    _block_type_slug = "assay-step-records"
    _documentation_url = None

    address: str = Field(description="folder or s3://bucket/prefix below which the records are")

    @sync_compatible  # the engine of flows that are no coroutines calls it as a plain function
    async def read_path(self, path: str) -> bytes:
        return await asyncio.to_thread(self._read, path)

    @sync_compatible
    async def write_path(self, path: str, content: bytes) -> None:
        await asyncio.to_thread(self._write, path, content)

    def _read(self, path: str) -> bytes:
        content = (place_of(self.address) / path).read_bytes()
        record = json.loads(content)
        if record["metadata"]["serializer"] != {"type": SERIALIZER} or not isinstance(record["result"], str):
            raise ValueError(f"{self.address}/{path} is no record of a step")
        return content

    def _write(self, path: str, content: bytes) -> None:
        with atomic_path(place_of(self.address) / path) as temporary:
            temporary.write_bytes(content)


def result_storage(records: Place) -> StepRecords:
    """What Prefect is to keep its records in, which its server must know."""
    block = StepRecords(address=str(records))
    save = cast(Callable[..., Any], block.save)  # whose type does not know how it is told to wait
    save(hashlib.sha256(block.address.encode()).hexdigest()[:32], overwrite=True, _sync=True)
    return block
