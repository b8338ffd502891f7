"""`infer_shards`: a child run that asks one large shard of another run, on a machine of a work pool.

The other run submits it through a deployment (`flows.runners.work_pool`), and reads from a file what came of
it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from prefect import flow
from prefect.states import Failed
from pydantic import TypeAdapter

from backends.errors import BackendError
from flows.common.errors import USER_ERRORS
from flows.planning.prepared_requests import Piece
from flows.prefect_api.large_parameters import MOST_BYTES
from flows.prefect_api.step_records import result_storage
from flows.specs.evaluation import EvaluationSpec
from flows.steps.infer import infer
from flows.steps.records import ShardResult
from flows.steps.run import RunAddress
from flows.storage.files import Place, write_text
from flows.storage.step_files import StepFiles, step_files

_RESULT, _ADDRESS = TypeAdapter(ShardResult), TypeAdapter(RunAddress)
_PIECES = TypeAdapter(list[Piece])


@flow(name="infer_shards", flow_run_name="infer_shards {key}", persist_result=False)
def infer_shards(run: RunAddress, pieces: list[Piece], key: str, reference: str = "") -> Any:
    """Ask a shard, and write what the step `infer` gave; ends as failed on a machine that does not reach what
    it has to share with the other run.

    reference: what names a file of the steps' folder that has the run and the pieces, where they are large.
    The step runs whether or not it is cached: it finds in the store what an earlier child has asked.
    """
    try:
        run.check_shared()
    except USER_ERRORS as error:
        return Failed(message=str(error))
    files = files_of(run)
    if reference:
        content = json.loads((files.children / f"{reference}.parameters.json").read_text(encoding="utf-8"))
        run, pieces = _ADDRESS.validate_python(content["run"]), _PIECES.validate_python(content["pieces"])
    step = infer.with_options(result_storage=result_storage(files.finished), refresh_cache=True)
    state = step(run=run, pieces=pieces, key=key, return_state=True)
    result = state.result(raise_on_failure=False)
    if isinstance(result, USER_ERRORS):
        write_text(outcome_file(files, key), json.dumps({"error": str(result)}))
    elif isinstance(result, Exception):
        raise result
    else:
        write_text(outcome_file(files, key), json.dumps({"result": _RESULT.dump_python(result, mode="json")}))
    return None


def parameters(run: RunAddress, pieces: Sequence[Piece], key: str) -> Mapping[str, object]:
    """The parameters of the flow as JSON, as a deployment takes them. Raises ResultError."""
    given: dict[str, object] = {
        "run": _ADDRESS.dump_python(run, mode="json"),
        "pieces": [asdict(piece) for piece in pieces],
        "key": key,
    }
    text = json.dumps(given)
    if len(text) <= MOST_BYTES:
        return given
    reference = hashlib.sha256(text.encode()).hexdigest()[:32]
    write_text(files_of(run).children / f"{reference}.parameters.json", text)
    places = {name: getattr(run.spec, name) for name in ("model", "output", "shared_folder", "store")}
    shared = replace(run, spec=EvaluationSpec.model_validate(places))
    return {
        "run": _ADDRESS.dump_python(shared, mode="json"),
        "pieces": [],
        "key": key,
        "reference": reference,
    }


def files_of(run: RunAddress) -> StepFiles:
    """Where the steps of a run keep their files, as this process sees it."""
    return step_files(run.home_here, run.spec.steps_folder)


def read_outcome(files: StepFiles, key: str) -> ShardResult | BackendError:
    """What the step `infer` gave in a child run."""
    outcome = json.loads(outcome_file(files, key).read_text(encoding="utf-8"))
    if "error" in outcome:
        return BackendError(outcome["error"])
    return _RESULT.validate_python(outcome["result"])


def outcome_file(files: StepFiles, key: str) -> Place:
    """Where a child run writes what came of it."""
    return files.children / f"{key}.json"
