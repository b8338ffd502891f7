"""How Prefect keeps what steps give: as JSON of known records, of which reading makes nothing else."""

import json
from typing import Any

from prefect.serializers import Serializer
from pydantic import Field, TypeAdapter

from flows.prefect_api.step_records import SERIALIZER
from flows.steps.records import LoadedModel, Prepared, Scored, ShardResult

_RECORDS: dict[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind) for kind in (LoadedModel, Prepared, ShardResult, Scored)
}
_ERROR = "error"


class RecordSerializer(Serializer):
    """Records of `flows.steps.records`, each as {its name: its fields}.

    An error that a step ended with is kept, for who looks at Prefect's records, as its text.
    """

    type: str = Field(default=SERIALIZER, frozen=True)

    def dumps(self, obj: Any) -> bytes:
        if isinstance(obj, BaseException):
            return json.dumps({_ERROR: str(obj)}).encode()
        kind = type(obj).__name__
        return json.dumps({kind: _RECORDS[kind].dump_python(obj, mode="json")}).encode()

    def loads(self, blob: bytes) -> Any:
        ((kind, fields),) = json.loads(blob).items()
        return RuntimeError(fields) if kind == _ERROR else _RECORDS[kind].validate_python(fields)
