"""A document of a task: one row of its dataset."""

from collections.abc import Mapping
from typing import Any

Doc = Mapping[str, Any]
