"""Each Python call of `flows`, before and after the modules of the same names are imported.

Run as `python -m tests.support.python_calls FOLDER`, and checked by mypy with the tests.
"""

import sys
from inspect import isfunction
from pathlib import Path

import flows
from flows import Comparison, EvaluationResult, EvaluationSpec, RescoreSpec, SuiteResult, SuiteSpec

KEYS = {"model": "scripted:hash", "tasks": ["starter_choices"], "limit": 2}


def call_each(folder: Path) -> None:
    """All five calls, through the package."""
    result: EvaluationResult = flows.evaluate(
        EvaluationSpec.model_validate({**KEYS, "output": folder / "results"})
    )
    compared: list[Comparison] = flows.compare([result, result.folder])
    again: EvaluationResult = flows.rescore(RescoreSpec(run=Path(str(result.folder))))
    suite = {"name": "two", "models": ["scripted:hash"], "tasks": KEYS["tasks"], "defaults": {"limit": 2}}
    board: SuiteResult = flows.benchmark(
        SuiteSpec.model_validate({**suite, "output": str(folder / "suites")})
    )
    address: str = flows.publish(str(result.folder), to=f"tensorboard:{folder / 'boards'}")
    assert all([compared[0].table(), again.table(), board.text(), address])
    for call in (flows.evaluate, flows.compare, flows.rescore, flows.benchmark, flows.publish):
        assert isfunction(call)


def main(folder: Path) -> None:
    call_each(folder)
    from flows import benchmark, compare, evaluate, publish, rescore

    assert all(map(isfunction, (benchmark, compare, evaluate, publish, rescore)))
    call_each(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
