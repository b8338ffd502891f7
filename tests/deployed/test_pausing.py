"""Runs that nobody could resume do not pause; the real thing is in `test_states.py`."""

import pytest

from flows.common.errors import SpecError
from tests.support.lab import Lab


def test_a_run_of_a_shell_refuses_to_pause_before_anything_is_asked(lab: Lab) -> None:
    lab.add_texts("sums", 3)
    done = lab.run("--on-stop=pause", tasks="sums")
    assert done.status == 2
    assert done.errors.startswith("error: --on-stop pause: only the run of a deployment can pause")
    assert lab.asked == 0


def test_a_flow_run_without_a_deployment_refuses_to_pause(lab: Lab) -> None:
    from flows.pipeline.evaluate_flow import evaluate_flow

    lab.add_texts("sums", 3)
    with pytest.raises(SpecError, match="only the run of a deployment can pause"):
        evaluate_flow(spec=lab.spec("sums", on_stop="pause"))
    assert lab.asked == 0
