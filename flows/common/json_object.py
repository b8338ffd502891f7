"""What a file of JSON or YAML holds: plain values under keys, whose types only who reads them knows."""

from typing import Any

JsonObject = dict[str, Any]
