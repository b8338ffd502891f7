"""Prefect's records of finished steps in a bucket, where any machine with the same output finds them."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from prefect.filesystems import WritableFileSystem
from prefect.utilities.asyncutils import sync_compatible
from pydantic import Field

from flows.storage.bucket import BucketPath
from flows.storage.files import Place


class StepRecords(WritableFileSystem):
    """Small JSON files below an address. Prefect's server is told the address and no credentials."""

    _block_type_name = "Assay step records"
    _block_type_slug = "assay-step-records"
    _documentation_url = None

    address: str = Field(description="s3://bucket/prefix below which the records are")

    @sync_compatible  # the engine of flows that are no coroutines calls it as a plain function
    async def read_path(self, path: str) -> bytes:
        return await asyncio.to_thread((BucketPath.parse(self.address) / path).read_bytes)

    @sync_compatible
    async def write_path(self, path: str, content: bytes) -> None:
        await asyncio.to_thread((BucketPath.parse(self.address) / path).write_bytes, content)


def result_storage(records: Place) -> Path | StepRecords:
    """What Prefect is to keep its records in; that of a bucket is made known to its server."""
    if not isinstance(records, BucketPath):
        records.mkdir(parents=True, exist_ok=True)
        return records
    block = StepRecords(address=str(records))
    save = cast(Callable[..., Any], block.save)  # whose type does not know how it is told to wait
    save(hashlib.sha256(block.address.encode()).hexdigest()[:32], overwrite=True, _sync=True)
    return block
